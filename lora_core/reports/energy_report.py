"""The report on one LoRA file: its verdict and its energy, as text."""

from __future__ import annotations

from collections.abc import Iterator

from ..applying import Verdict
from .energy import Energy, Spectrum

_MOST_ELEMENTS = 8


def describe(verdict: Verdict, spectrum: Spectrum, words: str) -> str:
    """All there is to say of a file, its blocks and elements as tables; `words` are its trigger words."""
    return "\n".join(_lines(verdict, spectrum, words))


def _lines(verdict: Verdict, spectrum: Spectrum, words: str) -> Iterator[str]:
    yield verdict.entry.name
    yield f"  {verdict.facts}"
    made_for = verdict.made_for
    yield f"  made for: {made_for}" + (f" (from {made_for.source})" if made_for.source else "")
    if verdict.other_family:
        yield f"  {verdict.other_family}"
    if verdict.nothing:
        yield f"  does nothing here: {verdict.nothing}"
    if words:
        yield f"  trigger words: {words}"
    yield from (f"  {note}" for note in verdict.notes)
    yield ""
    yield f"Energy of the change (‖ΔW‖² at strength 1), {_where(spectrum)}"
    if not spectrum.parts:
        yield "  no layer could be measured"
    yield from _table("block", [(part.block, part) for part in spectrum.blocks])
    elements = spectrum.elements
    if elements:
        yield ""
        yield from _table("element", [(part.element, part) for part in elements[:_MOST_ELEMENTS]])
        if len(elements) > _MOST_ELEMENTS:
            rest = sum(part.share for part in elements[_MOST_ELEMENTS:])
            yield f"  and {len(elements) - _MOST_ELEMENTS} more with {rest:.1%} together"
    if spectrum.needs_weight:
        kinds = ", ".join(f"{count} of {kind}" for kind, count in spectrum.needs_weight.items())
        remedy = "they cannot be seen in it" if spectrum.has_model else "connect a model to measure them"
        yield f"  not measured, as the change depends on the model's weights: {kinds}; {remedy}"
    if spectrum.unmatched:
        yield f"  layers that the connected model does not have: {spectrum.unmatched}"


def _where(spectrum: Spectrum) -> str:
    if spectrum.has_model:
        return f"on {spectrum.family}"
    return f"blocks by the names of the layers ({spectrum.family}; connect a model to be certain)"


def _table(title: str, rows: list[tuple[str, Energy]]) -> Iterator[str]:
    if not rows:
        return
    width = max(len(title), *(len(name) for name, _ in rows))
    has_relative = any(part.relative is not None for _, part in rows)
    yield f"  {title.ljust(width)}  layers   share" + ("  ‖ΔW‖/‖W‖" if has_relative else "")
    for name, part in rows:
        relative = f"  {part.relative:9.2%}" if part.relative is not None else ""
        yield f"  {name.ljust(width)}  {part.layers:6d}  {part.share:6.1%}{relative}"
