"""Patterns of PEFT configs, matched without Python's `re`, which ten letters can keep busy for good.

What people write there is read: literals, `.`, classes, groups, alternatives, repeats, `^` and `$`; anything
else is a BadPattern. All patterns of a config become one automaton of positions (Glushkov 1961), which is
asked letter by letter, so the time grows with the length of a path times the size of the patterns, and both
are bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ..untrusted import shown

_MOST_LETTERS = 2_000  # of one pattern
_MOST_BUILDING = 500_000  # connections between positions, of all patterns of a config: half a second
_MOST_STEPS = 2_000_000  # of all questions about one file: about a second
_MOST_REPEATS = 64
_MOST_GROUPS = 30  # inside one another

_BEGIN, _END = "", "end"  # of a path; no letter is equal to them
_KINDS: Mapping[str, Callable[[str], bool]] = {
    "d": str.isdecimal,
    "s": str.isspace,
    "w": lambda letter: letter.isalnum() or letter == "_",
}


class BadPattern(ValueError):
    """A pattern beyond what is read here."""


class _Letters(NamedTuple):
    """Which letters fit a place: those in ranges or of kinds, or all others."""

    ranges: tuple[tuple[str, str], ...]
    kinds: str = ""
    is_negated: bool = False

    def fit(self, letter: str) -> bool:
        if len(letter) != 1:
            return False
        is_in = any(first <= letter <= last for first, last in self.ranges)
        return (is_in or any(_KINDS[kind](letter) for kind in self.kinds)) != self.is_negated


_ANY = _Letters((("\n", "\n"),), is_negated=True)
_Place = str | _Letters  # one letter, an end of the path, or a choice of letters


class _Piece(NamedTuple):
    """A part of a pattern: the positions it may begin and end with, and whether it may be nothing."""

    first: tuple[int, ...] = ()
    last: tuple[int, ...] = ()
    is_optional: bool = True


@dataclass(eq=False)
class _Automaton:
    places: list[_Place] = field(default_factory=list)
    following: list[list[int]] = field(default_factory=list)
    work: int = 0

    def spend(self, work: int) -> None:
        """Raises BadPattern when building has become too much."""
        self.work += work
        if self.work > _MOST_BUILDING:
            raise BadPattern("is too large, with what stands beside it")

    def place(self, place: _Place) -> _Piece:
        self.spend(1)
        self.places.append(place)
        self.following.append([])
        return _Piece((len(self.places) - 1,), (len(self.places) - 1,), False)

    def link(self, before: Iterable[int], after: tuple[int, ...]) -> None:
        for position in before:
            self.spend(1 + len(after))
            self.following[position] += after

    def joined(self, a: _Piece, b: _Piece) -> _Piece:
        self.link(a.last, b.first)
        self.spend(len(a.first) + len(b.last))
        first = a.first + b.first if a.is_optional else a.first
        last = b.last + a.last if b.is_optional else b.last
        return _Piece(first, last, a.is_optional and b.is_optional)

    def either(self, a: _Piece, b: _Piece) -> _Piece:
        self.spend(len(a.first) + len(a.last))
        return _Piece(a.first + b.first, a.last + b.last, a.is_optional or b.is_optional)


class _Reader:
    """Reads one pattern into an automaton."""

    def __init__(self, pattern: str, automaton: _Automaton) -> None:
        if len(pattern) > _MOST_LETTERS:
            raise BadPattern(f"has {len(pattern)} letters, at most {_MOST_LETTERS} are read")
        self._text = pattern
        self._at = 0
        self._depth = 0
        self._automaton = automaton

    def read(self) -> _Piece:
        """The whole pattern. Raises BadPattern."""
        found = self._alternatives()
        if self._at < len(self._text):
            raise self._bad()
        return found

    def _alternatives(self) -> _Piece:
        found = self._sequence()
        while self._take("|"):
            found = self._automaton.either(found, self._sequence())
        return found

    def _sequence(self) -> _Piece:
        found = _Piece()
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            found = self._automaton.joined(found, self._repeated())
        return found

    def _repeated(self) -> _Piece:
        start = self._at
        piece = self._atom()
        at_least, at_most = self._repeats()
        if (at_least, at_most) == (1, 1):
            return piece
        after, copies = self._at, max(at_least, 1) if at_most is None else at_most
        found = _Piece()
        for number in range(copies):
            if number:  # the same letters read again make a copy of it
                self._at = start
                piece = self._atom()
            if at_most is None and number == copies - 1:
                self._automaton.link(piece.last, piece.first)
            is_optional = piece.is_optional or number >= at_least
            found = self._automaton.joined(found, piece._replace(is_optional=is_optional))
        self._at = after
        return found

    def _repeats(self) -> tuple[int, int | None]:
        """How often, at least and at most (None is for ever), what stands before this place is meant."""
        marks = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        mark = self._text[self._at : self._at + 1]
        if mark in marks and mark:
            self._at += 1
            found: tuple[int, int | None] = marks[mark]
        elif self._take("{"):
            found = self._counts()
        else:
            return 1, 1
        self._take("?")  # which of several ways is meant does not matter to whether there is one
        if self._text[self._at : self._at + 1] in ("*", "+", "?", "{"):
            raise self._bad()
        return found

    def _counts(self) -> tuple[int, int | None]:
        low, comma, high = self._until("}").partition(",")
        if not all(part.isdecimal() and len(part) < 4 for part in (low, *([high] if high else []))):
            raise self._bad()
        most = int(high) if high else None if comma else int(low)
        if (
            int(low) > (most if most is not None else _MOST_REPEATS)
            or max(int(low), most or 0) > _MOST_REPEATS
        ):
            raise BadPattern(f"repeats a part out of order, or more than {_MOST_REPEATS} times")
        return int(low), most

    def _atom(self) -> _Piece:
        self._automaton.spend(5)
        letter = self._text[self._at]
        self._at += 1
        if letter == "(":
            return self._group()
        if letter in "*+?{":
            raise self._bad()
        places: dict[str, _Place] = {".": _ANY, "^": _BEGIN, "$": _END}
        if letter == "[":
            return self._automaton.place(self._class())
        if letter == "\\":
            return self._automaton.place(self._escaped())
        return self._automaton.place(places.get(letter, letter))

    def _group(self) -> _Piece:
        if self._take("?") and not self._take(":"):
            raise self._bad()
        self._depth += 1
        if self._depth > _MOST_GROUPS:
            raise BadPattern(f"has groups more than {_MOST_GROUPS} deep inside one another")
        found = self._alternatives()
        self._depth -= 1
        if not self._take(")"):
            raise self._bad()
        return found

    def _escaped(self) -> _Place:
        letter = self._text[self._at : self._at + 1]
        self._at += 1
        if letter in _KINDS:
            return _Letters((), letter)
        if not letter or letter.isalnum():
            raise self._bad()
        return letter

    def _class(self) -> _Letters:
        is_negated, ranges, kinds = self._take("^"), list[tuple[str, str]](), ""
        while not self._take("]"):
            first = self._member()
            if isinstance(first, _Letters):
                kinds += first.kinds
                continue
            last: _Place = first
            if self._text[self._at : self._at + 1] == "-" and self._text[self._at + 1 : self._at + 2] != "]":
                self._at += 1
                last = self._member()
            if isinstance(last, _Letters) or last < first:
                raise self._bad()
            ranges.append((first, last))
        if not (ranges or kinds):
            raise self._bad()
        return _Letters(tuple(ranges), kinds, is_negated)

    def _member(self) -> _Place:
        letter = self._text[self._at : self._at + 1]
        self._at += 1
        if not letter or letter == "[":
            raise self._bad()
        return self._escaped() if letter == "\\" else letter

    def _take(self, mark: str) -> bool:
        is_there = self._text.startswith(mark, self._at)
        self._at += len(mark) * is_there
        return is_there

    def _until(self, mark: str) -> str:
        end = self._text.find(mark, self._at)
        if end < 0:
            raise self._bad()
        found, self._at = self._text[self._at : end], end + 1
        return found

    def _bad(self) -> BadPattern:
        return BadPattern(
            f"has something at letter {min(self._at, len(self._text))} that this pack does not read"
        )


class Patterns:
    """Patterns in their order, to be asked for the first that a path of names ends in.

    As PEFT means them (utils/other.py `get_pattern_key`): `(.*\\.)?(pattern)$`. Raises BadPattern, naming it.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = tuple(patterns)
        self._steps = 0
        self._found: dict[tuple[str, ...], str | None] = {}
        self._moves: dict[tuple[frozenset[int], str], frozenset[int]] = {}
        self._states: dict[frozenset[int], frozenset[int]] = {}
        self._ends: dict[int, int] = {}  # position that ends a pattern → the number of the pattern
        automaton = self._automaton = _Automaton()
        before, begin, any_letter, dot = (automaton.place(place) for place in (_END, _BEGIN, _ANY, "."))
        automaton.link(begin.last, any_letter.first + dot.first)
        automaton.link(any_letter.last, any_letter.first + dot.first)
        firsts: list[int] = []
        for number, pattern in enumerate(self._patterns):
            try:
                read = _Reader(pattern, automaton).read()
                whole = automaton.joined(read, automaton.place(_END))
                self._ends |= dict.fromkeys((*read.last, *whole.last), number)
                firsts += whole.first
            except BadPattern as error:
                raise BadPattern(f"the pattern {shown(pattern, 200)} {error}") from None
        for place in (before, begin, dot):
            automaton.following[place.first[0]] += firsts
        automaton.link(before.last, begin.first)
        self._start = frozenset(before.first)

    def first_at(self, *paths: str) -> str | None:
        """The first pattern that one of the paths ends in. Raises BadPattern when that takes too long."""
        if not self._patterns:
            return None
        if paths not in self._found:
            numbers = [number for path in dict.fromkeys(paths) for number in self._numbers(path)]
            self._found[paths] = self._patterns[min(numbers)] if numbers else None
        return self._found[paths]

    def _numbers(self, path: str) -> list[int]:
        active = self._start
        for letter in (_BEGIN, *path, _END):
            active = self._next(active, letter)
        return [self._ends[position] for position in active if position in self._ends]

    def _next(self, active: frozenset[int], letter: str) -> frozenset[int]:
        """The positions after these that a letter fits. Layers whose names begin alike share the answers."""
        found = self._moves.get((active, letter))
        if found is None:
            following = [after for position in active for after in self._automaton.following[position]]
            self._steps += len(following)
            if self._steps > _MOST_STEPS:
                raise BadPattern("the patterns take too long to compare with the names of the layers")
            found = frozenset(position for position in following if self._fits(position, letter))
            found = self._moves[active, letter] = self._states.setdefault(found, found)
        return found

    def _fits(self, position: int, letter: str) -> bool:
        place = self._automaton.places[position]
        return place == letter if isinstance(place, str) else place.fit(letter)
