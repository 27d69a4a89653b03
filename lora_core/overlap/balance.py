"""Numbers that keep every block within what the strongest LoRA alone does there.

In a block in which the rows together change the weights more than the strongest row alone, all of them are
turned down by one factor; docs/decisions/0011 says why. The rows keep their ratio in every block, and what is
written are strengths or block weights as a person writes them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from math import floor

from ..blocks import Place, read_block_weights, write_number
from ..stack import Entry
from .measuring import Overlap

_STEPS = 1000  # factors are thousandths


def balance_factors(overlap: Overlap) -> dict[str, float]:
    """The factor of every block, 0 to 1, rounded down to thousandths."""
    found: dict[str, float] = {}
    for block in overlap.blocks:
        factor = floor(_STEPS / block.excess + 1e-9) / _STEPS if block.excess > 1 else 1.0
        found[block.block] = min(factor, found.get(block.block, 1.0))
    return found


def balanced(overlap: Overlap) -> tuple[Entry, ...]:
    """The entries with their strengths multiplied where one factor is for all blocks, else their block
    weights; as they are where nothing goes beyond.
    """
    factors = balance_factors(overlap)
    if len(set(factors.values())) == 1:
        (factor,) = set(factors.values())
        return tuple(_weaker(entry, factor) for entry in overlap.entries)
    return tuple(
        _turned_down(entry, weight, overlap.places, factors)
        for entry, weight in zip(overlap.entries, overlap.weights_of_blocks, strict=True)
    )


def _weaker(entry: Entry, factor: float) -> Entry:
    if entry.curve is not None:
        return entry.scaled(factor)
    model, clip = _product(entry.strength_model, factor), _product(entry.strength_clip, factor)
    return replace(entry, strength_model=model, strength_clip=clip)


def _turned_down(
    entry: Entry, weight: Callable[[Place], float], places: Iterable[Place], factors: Mapping[str, float]
) -> Entry:
    """The entry with terms behind its own for every block that is turned down: the last one counts."""
    elements: dict[str, dict[str, float]] = {}
    for place in places:
        if factors[place.block] < 1:
            elements.setdefault(place.block, {})[place.element] = weight(place)
    if not elements:
        return entry
    blocks, inside = entry.blocks.blocks, entry.blocks.elements
    for block, by_element in elements.items():
        usual = Counter(by_element.values()).most_common(1)[0][0]
        blocks += f" {block}={_text(usual, factors[block])}"
        # An element's own weight stands in place of its block's, so where there are any, all are written.
        if inside or len(set(by_element.values())) > 1:
            inside += "".join(f" {term}" for term in _terms(block, by_element, factors[block]))
    return replace(entry, blocks=read_block_weights(blocks.strip(), inside.strip()))


def _terms(block: str, by_element: Mapping[str, float], factor: float) -> Iterator[str]:
    """The longest paths last, as `attn1.q` is `attn1` too."""
    for element in sorted(by_element, key=lambda path: (path.count("."), path)):
        if element:
            yield f"{block}/{element}={_text(by_element[element], factor)}"


def _text(weight: float, factor: float) -> str:
    return write_number(_product(weight, factor))


def _product(number: float, factor: float) -> float:
    """Without the last digits of binary fractions, which nobody wrote."""
    return round(number * factor, 9)
