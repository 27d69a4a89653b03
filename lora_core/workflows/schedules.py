"""prompt-control's schedules: `[before:after:0.5]`, and when a tag inside one is on.

Facts read in its documentation: `[a:b:x]` is a until x and then b; `[b:x]` and `[a::x]` leave a side empty;
`[a:b:c:x,y]` is b between x and y, `[b:x,y]` and `[b:c:x,y]` leave the first empty. They nest, a backslash
takes a sign for what it is, and a '#' begins a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..errors import NotConvertible

_TOKEN = re.compile(r"\\.|<[^<>]*>|\[|\]|:|[^\\<\[\]:]+|.", re.DOTALL)
_COMMENT = re.compile(r"(?<!\\)#.*")
_TIMES = re.compile(r"\s*(\d*\.?\d+)\s*(?:,\s*(\d*\.?\d+)\s*)?")
_MOST_NESTED = 50

_Part = list["str | _Bracket"]


@dataclass
class _Bracket:
    parts: list[_Part] = field(default_factory=lambda: [[]])


def scheduled_tags(text: str) -> Iterator[tuple[str, float, float]]:
    """Every tag with the fractions of the sampling it starts and stops at; those never on are left out.

    Raises NotConvertible for a schedule of another form, if a tag is in it.
    """
    yield from _tags(_read(_COMMENT.sub("", text)), 0.0, 1.0)


def _read(text: str) -> _Part:
    """The text as a tree of brackets; one that is not closed is words."""
    open_parts = [_Bracket()]
    for token in _TOKEN.findall(text):
        if token == "[":
            open_parts.append(_Bracket())
            if len(open_parts) > _MOST_NESTED:
                raise NotConvertible(f"its schedule is nested more than {_MOST_NESTED} deep")
        elif token == "]" and len(open_parts) > 1:
            closed = open_parts.pop()
            open_parts[-1].parts[-1].append(closed)
        elif token == ":" and len(open_parts) > 1:
            open_parts[-1].parts.append([])
        else:
            open_parts[-1].parts[-1].append(token)
    while len(open_parts) > 1:
        unclosed = open_parts.pop()
        open_parts[-1].parts[-1] += [item for part in unclosed.parts for item in part]
    return open_parts[0].parts[0]


def _tags(part: _Part, start: float, stop: float) -> Iterator[tuple[str, float, float]]:
    for item in part:
        if isinstance(item, _Bracket):
            yield from _bracket_tags(item, start, stop)
        elif item.startswith("<") and item.endswith(">") and start < stop:
            yield item, start, stop


def _bracket_tags(bracket: _Bracket, start: float, stop: float) -> Iterator[tuple[str, float, float]]:
    *options, last = bracket.parts
    times = _TIMES.fullmatch("".join(item for item in last if isinstance(item, str)))
    is_timed = times is not None and all(isinstance(item, str) for item in last)
    if not is_timed or times is None or not 1 <= len(options) <= 3:
        if any(_has_tag(part) for part in bracket.parts):
            if len(bracket.parts) == 1:
                yield from _tags(last, start, stop)  # plain brackets are words
                return
            raise NotConvertible("its schedule has a form other than [before:after:0.5] around a tag")
        return
    first, second = float(times[1]), float(times[2]) if times[2] else None
    if max(first, second or 0) > 1 and any(map(_has_tag, options)):
        raise NotConvertible("its schedule counts steps, which are other fractions in each sampler")
    for part, (begin, end) in zip(_in_three(options, second is not None), _spans(first, second), strict=True):
        yield from _tags(part, max(start, begin), min(stop, end))


def _spans(first: float, second: float | None) -> tuple[tuple[float, float], ...]:
    last = 1.0 if second is None else second
    return (0.0, first), (first, last), (last, 1.0)


def _in_three(options: list[_Part], has_end: bool) -> tuple[_Part, _Part, _Part]:
    """What is on before, between and after the two times."""
    if len(options) == 3:
        return options[0], options[1], options[2]
    if len(options) == 1:
        return [], options[0], []
    return ([], options[0], options[1]) if has_end else (options[0], options[1], [])


def _has_tag(part: _Part) -> bool:
    return any(
        any(map(_has_tag, item.parts)) if isinstance(item, _Bracket) else item.startswith("<")
        for item in part
    )
