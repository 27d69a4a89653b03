"""Block weights as a curve: one number a block to look at and to draw, and back to text.

    curve = read_curve(weights, family)                      # {"IN04": 0.5, …}
    weights = draw_curve(weights, family, {"IN05": 0.25})    # as text again, in as few terms as will do

A curve is of whole blocks, or of one element in every block; an element that has no weight of its own in a
block follows the block's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from .block_text import BlockTerm, BlockText, read_block_text, write_number
from .block_weights import BlockWeights, read_block_weights
from .families import ModelBlocks, Place
from .ids import BlockId, holds_block, read_id
from .usual_blocks import BASE

WHOLE = ""
"""The part of a block that is all of it."""

Weights = Mapping[str, float]
"""Block id → weight."""


@dataclass(frozen=True)
class Curve:
    """What block weights are in one family, for one part of its blocks."""

    weights: Weights
    whole: Weights  # of whole blocks
    own: tuple[str, ...]  # the blocks where the part has a weight of its own
    parts: tuple[str, ...]  # every element that has a weight of its own anywhere


def read_curve(weights: BlockWeights, family: ModelBlocks, part: str = WHOLE) -> Curve:
    """The curve of a text. Raises BadBlockText where it has no meaning in the family."""
    at = weights.at(family)
    whole = _whole(weights, family)
    terms = _element_terms(weights)
    parts = tuple(dict.fromkeys(name for term in terms for name in term.selection.elements))
    if part == WHOLE:
        return Curve(whole, whole, (), parts)
    return Curve({id: at(Place(id, part)) for id in whole}, whole, tuple(_own(terms, family, part)), parts)


def draw_curve(
    weights: BlockWeights,
    family: ModelBlocks,
    drawn: Mapping[str, float | None],
    part: str = WHOLE,
    lacking: Collection[str] = (),
) -> BlockWeights:
    """The weights with some blocks drawn anew; None takes back what was said of one.

    What the text says of other parts stays. The weights of `lacking` blocks matter to nobody, so they may
    become whatever makes the text short. Raises BadBlockText, and ValueError for a block that is none.
    """
    unknown = [id for id in drawn if id != BASE and id not in family.present]
    if unknown:
        raise ValueError(f"{family.title} has no block {unknown[0]}")
    order = [BASE, *family.present]
    if part == WHOLE:
        values: dict[str, float | None] = {**_whole(weights, family)}
        values |= {id: 1.0 if value is None else value for id, value in drawn.items()}
        values |= {id: None for id in lacking if id not in drawn}
        return BlockWeights(_written(order, values), weights.elements)
    own: dict[str, float | None] = dict(_own(_element_terms(weights), family, part))
    own |= drawn
    kept = [str(term) for term in _element_terms(weights) if term.selection.elements != (part,)]
    if len({own.get(id) for id in order if id not in lacking}) == 1 and own.get(order[-1]) is not None:
        terms = [f"*/{part}={write_number(own[order[-1]] or 0.0)}"]
    else:
        terms = [f"{blocks}/{part}={write_number(value)}" for blocks, value in _runs(order, own, set())]
    return read_block_weights(weights.blocks, " ".join([*kept, *terms]))


def _whole(weights: BlockWeights, family: ModelBlocks) -> dict[str, float]:
    at = BlockWeights(weights.blocks).at(family)
    return {id: at(Place(id, "")) for id in (BASE, *family.present)}


def _element_terms(weights: BlockWeights) -> tuple[BlockTerm, ...]:
    text: BlockText = read_block_text(weights.elements, "elements")
    return text.terms


def _own(terms: Sequence[BlockTerm], family: ModelBlocks, part: str) -> dict[str, float]:
    """Block → the weight a term gives to exactly this element."""
    found: dict[str, float] = {}
    for term in terms:
        if term.selection.elements == (part,):
            for id in (BASE, *family.present):
                if holds_block(term.selection.blocks, _id(id), family.rank):
                    found[id] = term.value
    return found


def _written(order: Sequence[str], values: Mapping[str, float | None]) -> str:
    """The shortest of the texts with each default; the first of equals, and 1 needs no word."""
    counted = Counter(value for value in values.values() if value is not None)
    defaults = [1.0, *(value for value, _ in counted.most_common(2) if value != 1.0)]
    texts = []
    for default in defaults:
        first = [] if default == 1.0 else [f"*={write_number(default)}"]
        wanted = {id: None if value == default else value for id, value in values.items()}
        free = {id for id, value in values.items() if value is None}
        terms = [f"{blocks}={write_number(value)}" for blocks, value in _runs(order, wanted, free)]
        texts.append(" ".join([*first, *terms]))
    return min(texts, key=lambda text: (len(text.split()), len(text)))


def _runs(
    order: Sequence[str], values: Mapping[str, float | None], free: Collection[str]
) -> Iterator[tuple[str, float]]:
    """Selections of blocks of one kind that have one value; those in `free` may be in any."""
    for _, kind in groupby(map(_id, order), key=lambda block: block.prefix):
        blocks = list(kind)
        settled = {values.get(str(block)) for block in blocks if str(block) not in free}
        if len(blocks) > 1 and len(settled) == 1 and (value := settled.pop()) is not None:
            yield f"{blocks[0].prefix}*", value
            continue
        run: list[BlockId] = []
        for block in blocks:
            value = values.get(str(block))
            if str(block) in free:
                continue
            if run and value != values.get(str(run[0])):
                yield from _run(run, values)
                run = []
            if value is not None:
                run.append(block)
        yield from _run(run, values)


def _run(run: Sequence[BlockId], values: Mapping[str, float | None]) -> Iterator[tuple[str, float]]:
    value = values.get(str(run[0])) if run else None
    if value is None:
        return
    last = str(run[-1])[len(run[-1].prefix) :]
    yield (f"{run[0]}-{last}" if len(run) > 1 else str(run[0])), value


def _id(text: str) -> BlockId:
    return read_id(text) or BlockId(text)
