"""Strength sweeps: one or two LoRAs of a stack at several strengths each, as rows of one batch.

    values    -2:2:5            from : to : count, both ends included
              -1, 0, 0.5        single numbers, and both mixed
    axes      <lora:add_detail> -2:2:5          one line an axis, two at most
              <lora:ink:unet=1:te=0> 0, 1       a tag's strengths scale the values: here the model alone

A sweep touches no file and no model; nodes/host/sweeping/preparing.py carries it out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from .errors import BadSweepText
from .grammar import parse
from .stack import Entry
from .untrusted import MAX_STRENGTH, is_strength

MAX_VALUES = 99
MAX_AXES = 2

_PART = re.compile(r"[^\s,]+")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_LINE_END = re.compile(r"\r\n|\r|\n")
# A twentieth of a strength is not a float; what a person wrote as 0.15 should be called 0.15.
_DECIMALS = 10


@dataclass(frozen=True)
class Axis:
    """One LoRA and the strengths it is shown at. The entry's own strengths scale them."""

    entry: Entry
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.values) <= MAX_VALUES:
            raise ValueError(f"an axis has 1 to {MAX_VALUES} values, found {len(self.values)}")

    @property
    def name(self) -> str:
        """The LoRA's name without its folder and extension, to stand on a sheet."""
        return PurePosixPath(self.entry.name.replace("\\", "/").removesuffix(".safetensors")).name

    def at(self, value: float) -> Entry:
        """The entry at one of the values."""
        return self.entry.scaled(value)


@dataclass(frozen=True)
class Sweep:
    """A stack applied in full, then one or two LoRAs at every combination of their values.

    A row is one combination. The first axis runs fastest: in a grid it is the columns, the second the lines.
    """

    axes: tuple[Axis, ...]
    stack: tuple[Entry, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= len(self.axes) <= MAX_AXES:
            raise ValueError(f"a sweep has 1 or {MAX_AXES} axes, found {len(self.axes)}")

    @property
    def columns(self) -> int:
        """Pictures side by side."""
        return len(self.axes[0].values)

    @property
    def lines(self) -> int:
        """Lines of pictures: 1 without a second axis."""
        return len(self.axes[1].values) if len(self.axes) > 1 else 1

    @cached_property
    def rows(self) -> tuple[tuple[float, ...], ...]:
        """The value of each axis, row by row."""
        first, *rest = (axis.values for axis in self.axes)
        if not rest:
            return tuple((value,) for value in first)
        return tuple((value, second) for second in rest[0] for value in first)

    def swept(self, row: int) -> tuple[Entry, ...]:
        """The swept entries as one row has them."""
        return tuple(axis.at(value) for axis, value in zip(self.axes, self.rows[row], strict=True))

    def clip_groups(self) -> dict[tuple[float, ...], tuple[int, ...]]:
        """Rows that need the same text encoder, by its strengths: one per axis."""
        groups: dict[tuple[float, ...], list[int]] = {}
        for row in range(len(self.rows)):
            # 0.0 for -0.0, which would be a second group of the same rows
            key = tuple(entry.strength_clip + 0.0 for entry in self.swept(row))
            groups.setdefault(key, []).append(row)
        return {key: tuple(rows) for key, rows in groups.items()}


def read_values(text: str) -> tuple[float, ...]:
    """The strengths a text of `values` names, in its order. Raises BadSweepText with the position."""
    try:
        return _values(text, 0, 1)
    except BadSweepText as error:  # its column is counted over all lines
        *above, line = _LINE_END.split(text[: error.column - 1])
        raise BadSweepText(len(above) + 1, len(line) + 1, error.found, error.expected) from None


def read_axes(text: str) -> tuple[Axis, ...]:
    """The axes of a text, one a line; lines that are empty or begin with '#' are passed over.

    Raises BadStackText for a tag and BadSweepText for the rest, with line and column.
    """
    axes: list[Axis] = []
    for number, line in enumerate(_LINE_END.split(text), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if len(axes) == MAX_AXES:
            raise BadSweepText(number, 1, "a third axis", f"at most {MAX_AXES} lines with a tag")
        axes.append(_axis(line, number))
    if not axes:
        raise BadSweepText(1, 1, "nothing", "a tag and its values, such as <lora:add_detail> -2:2:5")
    return tuple(axes)


def strength_label(value: float) -> str:
    """A strength as a label shows it: a sign unless it is 0, four digits at most."""
    return f"{value:+.4g}" if value else "0"


def _axis(line: str, number: int) -> Axis:
    end = line.find(">") + 1
    if not line.lstrip().startswith("<"):
        column = len(line) - len(line.lstrip()) + 1
        raise BadSweepText(number, column, repr(line.split()[0]), "a tag such as <lora:add_detail>")
    if end == 0:
        raise BadSweepText(number, len(line.rstrip()) + 1, "nothing", "'>', the end of the tag")
    # The empty lines before it make the parser count lines as the person does.
    (entry,) = parse("\n" * (number - 1) + line[:end]).entries
    values = _values(line, end, number)
    for value in values:
        if not all(is_strength(own * value) for own in (entry.strength_model, entry.strength_clip)):
            limits = f"values that keep {entry.name} from -{MAX_STRENGTH:g} to {MAX_STRENGTH:g}"
            column = end + 1 + len(line[end:]) - len(line[end:].lstrip())
            raise BadSweepText(number, column, f"{value:g} times the tag's own strength", limits)
    return Axis(entry, values)


def _values(text: str, start: int, line: int) -> tuple[float, ...]:
    values: list[float] = []
    for found in _PART.finditer(text, start):
        values += _read_part(found, line)
        if len(values) > MAX_VALUES:
            raise BadSweepText(line, found.start() + 1, f"{len(values)} values", f"at most {MAX_VALUES}")
    if not values:
        raise BadSweepText(line, len(text.rstrip()) + 1, "nothing", "values such as -2:2:5 or -1, 0, 1")
    return tuple(values)


def _read_part(found: re.Match[str], line: int) -> Iterator[float]:
    pieces: list[tuple[str, int]] = []
    column = found.start() + 1
    for piece in found.group().split(":"):
        pieces.append((piece, column))
        column += len(piece) + 1
    if len(pieces) not in (1, 3):
        expected = "one number, or from:to:count such as -2:2:5"
        raise BadSweepText(line, found.start() + 1, repr(found.group()), expected)
    numbers = [_number(piece, column, line) for piece, column in pieces[:2]]
    if len(pieces) == 1:
        return iter(numbers)
    count, column = pieces[2]
    is_count = count.isascii() and count.isdigit() and len(count) < 10
    if not (is_count and 2 <= int(count) <= MAX_VALUES):
        raise BadSweepText(line, column, repr(count), f"a count from 2 to {MAX_VALUES}")
    low, high = numbers
    return _spread(low, high, int(count))


def _number(piece: str, column: int, line: int) -> float:
    if not _NUMBER.fullmatch(piece):
        raise BadSweepText(line, column, repr(piece) if piece else "nothing", "a number such as 0.8 or -1")
    value = float(piece)
    if abs(value) > 100:  # the range of the host's own LoraLoader
        raise BadSweepText(line, column, repr(piece), "a strength from -100 to 100")
    return value + 0.0


def _spread(low: float, high: float, count: int) -> Iterator[float]:
    for i in range(count):
        yield round(low + (high - low) * i / (count - 1), _DECIMALS) + 0.0
