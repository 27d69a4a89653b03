"""When in the sampling: curves, windows and steps, as tags write them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple

from ..blocks import write_number
from ..errors import BadRow, BadStackText
from ..schedule import Steps, StrengthCurve
from ..stack import Entry
from ..untrusted import shown
from .numbers import NUMBER, read_number
from .source import SourceText, TagPart

_FRACTION = "a fraction of the sampling from 0 to 1: step 10 of 20 is 0.5"
_BOTH_ENDS = re.compile(rf"({NUMBER})\s*-\s*({NUMBER})", re.ASCII)
_STEPS = re.compile(r"(\d{1,9})\s*(?:(-)\s*(\d{1,9})?)?", re.ASCII)
_STEP = re.compile(r"\d{1,9}", re.ASCII)


class Timing(NamedTuple):
    """From where to where in the sampling, in fractions of it and in steps."""

    start: float = 0.0
    stop: float = 1.0
    steps: Steps | None = None


def is_curve(text: str) -> bool:
    """Whether a strength is written as a curve."""
    return "@" in text


def read_curve(source: SourceText, part: TagPart) -> StrengthCurve:
    """`0@0,1@0.3,0.4@1`: a strength at each of some fractions of the sampling. Raises BadStackText."""
    points: list[tuple[float, float]] = []
    offset = part.offset
    for raw in part.text.split(","):
        value, at, _ = raw.partition("@")
        strength = source.part(offset, offset + len(value))
        if not at:
            raise source.error(strength.offset, repr(raw.strip()), "a point of a curve, such as 0.8@0.5")
        fraction = source.part(offset + len(value) + 1, offset + len(raw))
        point = (read_fraction(source, fraction), read_number(source, strength))
        try:
            StrengthCurve((*points[-2:], point))
        except BadRow:
            told = write_number(points[-1][0])
            raise source.error(
                fraction.offset,
                repr(fraction.text),
                f"a place later than {told}; two at most may be at one place",
            ) from None
        points.append(point)
        offset += len(raw) + 1
    try:
        return StrengthCurve(tuple(points))
    except BadRow as error:
        raise source.error(part.offset, f"{len(points)} points", str(error)) from None


def read_timing(
    source: SourceText,
    start: TagPart | None,
    stop: TagPart | None,
    step: TagPart | None,
    steps: TagPart | None,
) -> Timing:
    """What the parts `start`, `stop`, `step` and `steps` of a tag say together. Raises BadStackText.

    Whole numbers above 1 are steps, as the block-weight extension counts them; other numbers are fractions.
    """
    if step is not None:
        if start or stop:
            raise source.error(step.offset, "'step='", "either 'step=' or 'start=' and 'stop='")
        start, stop = _both_ends(source, step)
    if _is_step(start) or _is_step(stop):
        return Timing(steps=_extensions_steps(source, start, stop, steps))
    first = read_fraction(source, start) if start else 0.0
    last = read_fraction(source, stop) if stop else 1.0
    if stop and last < first:
        expected = f"no less than where it starts, {write_number(first)}"
        raise source.error(stop.offset, repr(stop.text), expected)
    return Timing(first, last, _steps(source, steps) if steps else None)


def scheduled(entry: Entry, schedule: str) -> Entry:
    """An entry whose strength for the model is multiplied by a curve, or that acts in some steps alone.

    `schedule` is what stands in a tag: `0@0,1@0.3`, `steps=1-2`, or both with a colon between. Empty changes
    nothing. Raises BadStackText with the column in it.
    """
    source, place, found = SourceText(schedule), 0, entry
    for raw in schedule.split(":") if schedule.strip() else ():
        name, equals, value = raw.partition("=")
        if not equals:
            curve = read_curve(source, source.part(place, place + len(raw))).scaled(found.strength_model)
            found = replace(found, curve=curve, strength_model=curve.peak)
        elif name.strip().lower() == "steps":
            start = place + len(name) + 1
            found = replace(found, steps=_steps(source, source.part(start, start + len(value))))
        else:
            expected = "a curve such as 0@0,1@0.3, or 'steps='"
            raise source.error(place, repr(name.strip()), expected)
        place += len(raw) + 1
    return found


def with_times(entry: Entry, curve: str, steps: str, is_clip_on_curve: bool = False) -> Entry:
    """An entry with the `curve` and the `steps` of these texts, which may be empty.

    The curve keeps its shape and takes the entry's strength for its peak; one that is 0 throughout has no
    shape, and goes where the entry has a strength. Raises BadRow.
    """
    if not (curve or steps):
        return entry
    try:
        found = read_curve(SourceText(curve), TagPart(curve, 0)) if curve else None
        counted = _steps(SourceText(steps), TagPart(steps, 0)) if steps else None
    except BadStackText as error:
        raise BadRow(f"{shown(curve or steps)}: found {error.found}, expected {error.expected}") from None
    if found is None or (found.peak == 0 and entry.strength_model):
        return replace(entry, steps=counted)
    if found.peak != entry.strength_model:
        found = found.scaled(entry.strength_model / found.peak)
    clip = found.peak if is_clip_on_curve else entry.strength_clip
    return replace(
        entry,
        strength_model=found.peak,
        strength_clip=clip,
        curve=found,
        steps=counted,
        is_clip_on_curve=is_clip_on_curve,
    )


def _is_step(part: TagPart | None) -> bool:
    return part is not None and _STEP.fullmatch(part.text) is not None and int(part.text) > 1


def _extensions_steps(
    source: SourceText, start: TagPart | None, stop: TagPart | None, steps: TagPart | None
) -> Steps:
    for part in (start, stop):
        if part is not None and not _STEP.fullmatch(part.text):
            raise source.error(part.offset, repr(part.text), "the number of a step, as at the other end")
    if steps is not None:
        raise source.error(steps.offset, "'steps='", "steps once, either here or as 'start=' and 'stop='")
    first = max(1, int(start.text)) if start else 1
    last = int(stop.text) if stop else None
    if stop and last is not None and last < first:
        raise source.error(stop.offset, repr(stop.text), f"no less than where it starts, {first}")
    return Steps(first, last)


def _steps(source: SourceText, part: TagPart) -> Steps:
    """`1-2`, `3`, `5-`: steps of the sampler, counted from 1."""
    found = _STEPS.fullmatch(part.text)
    if found is None:
        problem = repr(part.text) if part.text else "nothing"
        raise source.error(part.offset, problem, "steps of the sampler, such as 1-2, 3 or 5-")
    first, to, last = found.groups()
    try:
        return Steps(int(first), int(last) if last else None if to else int(first))
    except BadRow:
        expected = "steps counted from 1, the later one last"
        raise source.error(part.offset, repr(part.text), expected) from None


def _both_ends(source: SourceText, step: TagPart) -> tuple[TagPart, TagPart]:
    """The two numbers of `step=0.2-0.7`."""
    ends = _BOTH_ENDS.fullmatch(step.text)
    if ends is None:
        raise source.error(step.offset, repr(step.text), "start and stop with '-' between, such as 0.2-0.7")
    return TagPart(ends[1], step.offset + ends.start(1)), TagPart(ends[2], step.offset + ends.start(2))


def read_fraction(source: SourceText, part: TagPart) -> float:
    """A place in the sampling. Raises BadStackText."""
    value = read_number(source, part, _FRACTION)
    if not 0 <= value <= 1:
        raise source.error(part.offset, repr(part.text), _FRACTION)
    return value
