"""The block weights of one LoRA, as canonical text, and what they are in one model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from ..errors import BadBlockText
from .block_text import BlockText, Term, read_block_text
from .families import Family, Place
from .ids import BlockId, Blocks, Rank, holds_block, holds_element, is_of_text_encoder, read_id
from .vectors import preset, readings_for

At = Callable[[Place], float]
"""The block weight of a place in a model."""


@dataclass(frozen=True)
class BlockWeights:
    """What `lbw=` and `lbwe=` of a tag hold. Empty: every block and every element at 1."""

    blocks: str = ""
    elements: str = ""

    @property
    def is_neutral(self) -> bool:
        """Whether nothing is weighted."""
        return not self.blocks and not self.elements

    @property
    def text(self) -> str:
        """Both as one text, as a node's `blocks` holds them."""
        return " ".join(filter(None, (self.blocks, self.elements)))

    def at(self, family: Family) -> At:
        """The weight of each place of a model.

        Raises BadBlockText for a vector or preset that has no meaning in the family, and for a block it does
        not have.
        """
        return _resolve(self, family)


NEUTRAL = BlockWeights()


def read_block_weights(blocks: str, elements: str = "") -> BlockWeights:
    """Check both texts and write them canonically. Raises BadBlockText.

    `blocks` alone may hold all there is to say, element weights too, which then come before `elements`.
    """
    first = read_block_text(blocks, "blocks")
    more = read_block_text(elements, "elements")
    texts = (first.write_elements(), more.write_elements())
    return BlockWeights(first.write_blocks(), " ".join(filter(None, texts)))


@lru_cache(maxsize=256)
def _resolve(weights: BlockWeights, family: Family) -> At:
    text = read_block_text(weights.blocks, "blocks")
    more = read_block_text(weights.elements, "elements")
    _check_ids(text.terms, family, "blocks")
    _check_ids(more.terms, family, "elements")
    vector = _vector_terms(text, family)
    by_block = [term for term in text.terms if not term.elements]
    by_element = [term for term in (*text.terms, *more.terms) if term.elements]
    # Later ones win, and an element's weight stands in place of its block's.
    ranked = [
        *([term for term in vector if not term.elements]),
        *([term for term in vector if term.elements]),
        *by_block,
        *by_element,
    ]
    known: dict[Place, float] = {}

    def at(place: Place) -> float:
        weight = known.get(place)
        if weight is None:
            weight = known[place] = _weight(place, ranked, family.rank)
        return weight

    return at


def _weight(place: Place, terms: Iterable[Term], rank: Rank) -> float:
    block = read_id(place.block) or BlockId(place.block)
    weight = 1.0
    for term in terms:
        if holds_block(term.blocks, block, rank) and (
            not term.elements or holds_element(term.elements, place.element)
        ):
            weight = term.value
    return weight


def _vector_terms(text: BlockText, family: Family) -> list[Term]:
    named = preset(text.preset) if text.preset else None
    numbers = [float(cell) for cell in named.cells] if named else list(text.vector)
    if not numbers:
        return []
    if named and len(set(numbers)) == 1:
        return [Term((Blocks(None),), (), numbers[0], 0)]  # ALL and NONE mean the same in every model
    # A text encoder need not know its model: by any reading of a length the same numbers are for it.
    meanings = readings_for(family.name, family.present, any_family=family.is_text_encoder)
    if len(numbers) not in meanings:
        raise _unfit(text, len(numbers), sorted(meanings), family)
    terms: list[Term] = []
    for cell, number in zip(meanings[len(numbers)].cells, numbers, strict=True):
        for part in cell.split():
            (term,) = read_block_text(f"{part}=1").terms
            terms.append(Term(term.blocks, term.elements, number, 0))
    return terms


def _unfit(text: BlockText, length: int, known: list[int], family: Family) -> BadBlockText:
    found = (
        f"the preset {text.preset}, a vector of {length} numbers"
        if text.preset
        else f"a vector of {length} numbers"
    )
    if known:
        expected = f"for {family.title} one of {', '.join(map(str, known))} numbers, or blocks by name"
    else:
        expected = f"blocks by name, as {family.title} has no vectors"
    return BadBlockText("blocks", 0, found, f"{expected} ({_listed(family)})")


def _check_ids(terms: Iterable[Term], family: Family, which: str) -> None:
    """A block the model does not have would silently do nothing; the text encoder's are always allowed."""
    if family.is_text_encoder:
        return
    present = [read_id(block) or BlockId(block) for block in family.present]
    for term in terms:
        for blocks in term.blocks:
            if blocks.first is None or is_of_text_encoder(blocks.first):
                continue
            if not any(blocks.holds(block, family.rank) for block in present):
                raise BadBlockText(
                    which, term.position, f"{blocks}", f"a block of {family.title}: {_listed(family)}"
                )


def _listed(family: Family) -> str:
    """The blocks of a model, those of a kind as one."""
    kinds: dict[str, list[BlockId]] = {}
    for text in family.present:
        block = read_id(text) or BlockId(text)
        kinds.setdefault(block.prefix, []).append(block)
    parts = [
        f"{ids[0]}-{str(ids[-1])[len(kind) :]}" if len(ids) > 1 else str(ids[0])
        for kind, ids in kinds.items()
    ]
    return ", ".join(parts)
