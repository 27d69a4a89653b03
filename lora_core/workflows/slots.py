"""Nodes whose rows are numbered widgets: a name, one strength or two, perhaps a switch and a count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..blocks import NEUTRAL, read_block_weights
from ..errors import NotConvertible
from ..grammar import scheduled
from ..stack import Entry
from .values import Said, Values, entry, gather, is_empty, number, required

_MOST_PLACES = 100
_AUTO = "auto"


@dataclass(frozen=True)
class RowFields:
    """Which widgets make a row, `{}` standing for its place.

    `clip` is empty where the text encoder is left alone. `count` holds how many places are in use, `only` the
    one place that is. `simple` is the one strength of both where the widget `mode` says "simple". `switch` is
    on where its value is one of `on`. `unless_zero` leaves out a row at strength 0.
    """

    name: str
    model: str
    clip: str = ""
    places: tuple[Any, ...] = ("",)
    count: str = ""
    only: str = ""
    mode: str = ""
    simple: str = ""
    switch: str = ""
    on: tuple[Any, ...] = (True,)
    unless_zero: bool = False
    blocks: str = ""
    start: str = ""
    stop: str = ""
    schedule: str = ""


def read_rows(fields: RowFields, values: Values) -> Said:
    """The rows of a node; one that names nothing is none. Raises NotConvertible for a bad count."""
    rows = [place for place in _used(fields, values) if not _is_empty(fields, values, place)]
    return gather(partial(_row, fields, values, place) for place in rows)


def _used(fields: RowFields, values: Values) -> Iterator[Any]:
    if fields.only:
        chosen = number(required(values, fields.only), f"its {fields.only}")
        return iter([place for place in fields.places if place == chosen])
    if fields.count:
        count = number(required(values, fields.count), f"its {fields.count}")
        return iter(fields.places[: int(min(max(count, 0), _MOST_PLACES))])
    return iter(fields.places)


def _is_empty(fields: RowFields, values: Values, place: Any) -> bool:
    name = fields.name.format(place)
    if len(fields.places) == 1:
        if name not in values:
            raise NotConvertible(f"it has no value for {name!r}")
        named = values[name]
        empty = named == "None" or (isinstance(named, str) and named.lower() == "none")
    else:
        empty = is_empty(values.get(name))
    return empty or (fields.unless_zero and values.get(fields.model.format(place)) in (0, None))


def _row(fields: RowFields, values: Values, place: Any) -> Entry:
    name = required(values, fields.name.format(place))
    if name == _AUTO:
        raise NotConvertible("the file behind its slider is found only when it runs")
    is_simple = bool(fields.simple) and values.get(fields.mode) == "simple"
    model = fields.simple if is_simple else fields.model
    clip = fields.simple if is_simple else fields.clip
    row = entry(
        name,
        _strength(values, model.format(place), len(fields.places) == 1),
        _strength(values, clip.format(place), len(fields.places) == 1) if clip else 0.0,
        not fields.switch or _is_on(fields, values, place),
        read_block_weights(str(values.get(fields.blocks) or "")) if fields.blocks else NEUTRAL,
        values.get(fields.start, 0.0) if fields.start else 0.0,
        values.get(fields.stop, 1.0) if fields.stop else 1.0,
    )
    return scheduled(row, str(values.get(fields.schedule) or "")) if fields.schedule else row


def _strength(values: Values, name: str, is_required: bool) -> Any:
    """A strength; a node of many rows may leave it out where it is 1."""
    return required(values, name) if is_required else values.get(name, 1.0)


def _is_on(fields: RowFields, values: Values, place: Any) -> bool:
    value = values.get(fields.switch.format(place))
    return any(value is on or (isinstance(on, str) and value == on) for on in fields.on)
