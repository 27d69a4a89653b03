"""An overlap in words and as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from .balance import balance_factors
from .measuring import BlockOverlap, Overlap

_MOST_PLACES = 10
_LEAST_COSINE = 0.05  # two changes that have less in common are as good as independent


class _Place(NamedTuple):
    """Two rows in one block."""

    block: BlockOverlap
    one: int
    other: int
    cosine: float

    @property
    def size(self) -> float:
        """What the two have in common, of the numbers of ΔW squared."""
        return abs(self.block.products[self.one][self.other])


def describe_overlap(overlap: Overlap) -> str:
    """The report: the whole, the worst places, and every block with what balance would do to it."""
    return "\n".join(_lines(overlap))


def _lines(overlap: Overlap) -> Iterator[str]:
    names = [entry.name for entry in overlap.entries]
    whole = overlap.whole
    yield f"{len(names)} LoRAs on {overlap.family}"
    if len(names) > 1:
        yield (
            f"Together they change the model {whole.excess:.2f} times as much as "
            f"{names[whole.strongest]} alone does"
        )
        yield ""
        yield from _worst_lines(overlap, names)
    yield ""
    yield from _block_lines(overlap, names)
    for what, layers in overlap.not_measured.items():
        weights = "weight" if layers == 1 else "weights"
        yield f"not measured: {layers} {weights} of {what}, whose change depends on the model; connect one"
    yield from overlap.notes


def _worst_lines(overlap: Overlap, names: list[str]) -> Iterator[str]:
    places = _worst(overlap)
    if not places:
        yield f"No two LoRAs have a direction in common (every cosine is below {_LEAST_COSINE})"
        return
    yield "Where two LoRAs change the same:"
    for block, one, other, cosine in places:
        pair = f"{names[one]} and {names[other]}"
        does = "pull the same way" if cosine > 0 else "work against each other"
        yield f"  {block.block}: {pair} {does} (cosine {cosine:.2f})"


def _worst(overlap: Overlap) -> list[_Place]:
    """The places at which two rows have most in common, the worst first."""
    found = [
        _Place(block, one, other, cosine)
        for block in overlap.blocks
        for one, other in overlap.pairs
        if (cosine := block.cosine(one, other)) is not None and abs(cosine) >= _LEAST_COSINE
    ]
    return sorted(found, key=lambda place: -place.size)[:_MOST_PLACES]


def _block_lines(overlap: Overlap, names: list[str]) -> Iterator[str]:
    factors = balance_factors(overlap)
    width = max(5, *(len(block.block) for block in overlap.blocks))
    has_weights = any(block.weight_energy for block in overlap.blocks)
    size = "‖ΣΔW‖/‖W‖" if has_weights else "    ‖ΣΔW‖"
    yield f"  {'block'.ljust(width)}  {size}  excess  balance  strongest"
    for block in overlap.blocks:
        part = block.relative(block.total)
        size = f"{part:9.2%}" if part is not None else f"{block.total:9.3g}"
        mark = f"{factors[block.block]:7.3f}" if factors[block.block] < 1 else "      –"
        yield f"  {block.block.ljust(width)}  {size}  {block.excess:6.2f}  {mark}  {names[block.strongest]}"


def overlap_json(overlap: Overlap) -> dict[str, Any]:
    """As plain values: for every block the norm of each row and of all, and the cosine of each pair."""
    factors = balance_factors(overlap)
    return {
        "family": overlap.family,
        "loras": [entry.name for entry in overlap.entries],
        "whole": _block_json(overlap, overlap.whole),
        "blocks": [
            {"block": block.block, "balance": factors[block.block], **_block_json(overlap, block)}
            for block in overlap.blocks
        ],
        "worst": [
            {"block": block.block, "loras": [one, other], "cosine": cosine}
            for block, one, other, cosine in _worst(overlap)
        ],
        "not_measured": dict(overlap.not_measured),
        "notes": list(overlap.notes),
    }


def _block_json(overlap: Overlap, block: BlockOverlap) -> dict[str, Any]:
    return {
        "norms": [block.norm(row) for row in range(len(overlap.rows))],
        "total": block.total,
        "relative": block.relative(block.total),
        "excess": block.excess,
        "cosines": [
            {"loras": [one, other], "cosine": block.cosine(one, other)} for one, other in overlap.pairs
        ],
    }
