"""The block weights of one LoRA, as canonical text, and what they are in one model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from ..errors import BadBlockText
from .apart import Weight, together
from .block_text import EVERYTHING, BlockTerm, BlockText, read_block_text
from .families import OTHER, ModelBlocks, Place
from .ids import BlockId, Rank, holds_block, holds_element, is_of_text_encoder, read_id
from .vectors import is_of_family, preset, readings_for

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

    @property
    def largest(self) -> float:
        """The largest |weight| of any block, 1 where nothing is weighted."""
        texts = read_block_text(self.blocks), read_block_text(self.elements, "elements")
        numbers = [term.value for text in texts for term in text.terms]
        for text in texts:
            named = preset(text.preset) if text.preset else None
            numbers += named.numbers if named else text.vector
        return max(1.0, *map(abs, numbers)) if numbers else 1.0

    def at(self, family: ModelBlocks) -> At:
        """The weight of each place of a model.

        Raises BadBlockText for a vector or preset that has no meaning in the family, and for a block it does
        not have.
        """
        return _resolve(self, family)

    def by_key(self, family: ModelBlocks) -> Mapping[str, Weight]:
        """The same by the keys of the model, each looked up once; one number for each part of a weight that
        is several in one, where they differ. Raises BadBlockText.
        """
        return _by_key(self, family)

    def missing(self, family: ModelBlocks) -> frozenset[str]:
        """The element weights that are for nothing in a model, as they are written."""
        return _missing(self, family)


NEUTRAL = BlockWeights()


@lru_cache(maxsize=4096)
def read_block_weights(blocks: str, elements: str = "") -> BlockWeights:
    """Check both texts and write them canonically. Raises BadBlockText.

    `blocks` alone may hold all there is to say, element weights too, which then come before `elements`.
    """
    first = read_block_text(blocks, "blocks")
    more = read_block_text(elements, "elements")
    texts = (first.write_elements(), more.write_elements())
    return BlockWeights(first.write_blocks(), " ".join(filter(None, texts)))


@lru_cache(maxsize=256)
def _resolve(weights: BlockWeights, family: ModelBlocks) -> At:
    text = read_block_text(weights.blocks, "blocks")
    more = read_block_text(weights.elements, "elements")
    _check_ids(text.terms, family, "blocks")
    _check_ids(more.terms, family, "elements")
    vector = _vector_terms(text, family)
    # Later ones win, and an element's weight stands in place of its block's.
    ranked = [
        *_in_order(vector),
        *_in_order((*text.terms, *more.terms)),
    ]
    known: dict[Place, float] = {}

    def at(place: Place) -> float:
        weight = known.get(place)
        if weight is None:
            weight = known[place] = _weight(place, ranked, family.rank)
        return weight

    return at


@lru_cache(maxsize=256)
def _missing(weights: BlockWeights, family: ModelBlocks) -> frozenset[str]:
    terms = (*read_block_text(weights.blocks).terms, *read_block_text(weights.elements, "elements").terms)
    of_elements = [term for term in terms if term.selection.elements]
    return frozenset(
        str(term) for term in of_elements if not any(_holds(term, p, family.rank) for p in family.places)
    )


def _in_order(terms: Sequence[BlockTerm]) -> list[BlockTerm]:
    """Blocks first, then elements, else as they are."""
    return sorted(terms, key=lambda term: bool(term.selection.elements))


class _KeyWeights(dict[str, Weight]):
    """Model key → weight, found when first asked for."""

    def __init__(self, at: At, family: ModelBlocks) -> None:
        super().__init__()
        self._at = at
        self._family = family

    def __missing__(self, key: str) -> Weight:
        parts = self._family.parts(key)
        if parts:
            weight = together((part.slice, self._at(part.place)) for part in parts)
        else:
            weight = self._at(self._family.place(key))
        self[key] = weight
        return weight


@lru_cache(maxsize=256)
def _by_key(weights: BlockWeights, family: ModelBlocks) -> Mapping[str, Weight]:
    return _KeyWeights(weights.at(family), family)


def _weight(place: Place, terms: Iterable[BlockTerm], rank: Rank) -> float:
    weight = 1.0
    for term in terms:
        if _holds(term, place, rank):
            weight = term.value
    return weight


def _holds(term: BlockTerm, place: Place, rank: Rank) -> bool:
    block = read_id(place.block) or BlockId(place.block)
    blocks, elements = term.selection.blocks, term.selection.elements
    return holds_block(blocks, block, rank) and (not elements or holds_element(elements, place.element))


def _vector_terms(text: BlockText, family: ModelBlocks) -> list[BlockTerm]:
    named = preset(text.preset) if text.preset else None
    numbers = named.numbers if named else text.vector
    if not numbers:
        return []
    if named and len(set(numbers)) == 1:
        return [BlockTerm(EVERYTHING, numbers[0], 0)]  # ALL and NONE mean the same in every model
    # A text encoder need not know its model: by any reading of a length the same numbers are for it.
    meanings = readings_for(family.name, family.present, any_family=family.is_text_encoder)
    if named and not family.is_text_encoder and not is_of_family(named, family.name):
        raise _unfit(text, len(numbers), sorted(meanings), family)
    if len(numbers) not in meanings:
        raise _unfit(text, len(numbers), sorted(meanings), family)
    terms: list[BlockTerm] = []
    for cell, number in zip(meanings[len(numbers)].cells, numbers, strict=True):
        for part in cell.split():
            (term,) = read_block_text(f"{part}=1").terms
            terms.append(replace(term, value=number))
    return terms


def _unfit(text: BlockText, length: int, known: list[int], family: ModelBlocks) -> BadBlockText:
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


def _check_ids(terms: Iterable[BlockTerm], family: ModelBlocks, which: str) -> None:
    """A block the model does not have would silently do nothing; the text encoder's are always allowed."""
    if family.is_text_encoder:
        return
    present = [read_id(block) or BlockId(block) for block in family.present]
    for term in terms:
        for blocks in term.selection.blocks:
            if blocks.first is None or is_of_text_encoder(blocks.first):
                continue
            if not any(blocks.holds(block, family.rank) for block in present):
                raise BadBlockText(
                    which, term.position, f"{blocks}", f"a block of {family.title}: {_listed(family)}"
                )


def _listed(family: ModelBlocks) -> str:
    return ", ".join(compressed(block for block in family.present if block != OTHER))


def compressed(blocks: Iterable[str]) -> list[str]:
    """Ids in order, those of a kind that follow each other as a range: `IN00-08`, `M00`."""
    runs: list[list[BlockId]] = []
    for text in blocks:
        block = read_id(text) or BlockId(text)
        last = runs[-1][-1] if runs else None
        if (
            last
            and last.prefix == block.prefix
            and last.number is not None
            and block.number == last.number + 1
        ):
            runs[-1].append(block)
        else:
            runs.append([block])
    return [f"{run[0]}-{str(run[-1])[len(run[0].prefix) :]}" if len(run) > 1 else str(run[0]) for run in runs]
