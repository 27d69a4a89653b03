"""Words that cannot be read: a stack, block weights, a command, an input, a request."""

from __future__ import annotations

from typing import Any

from .base import RackError

_LONGEST = 300  # letters of a key, a name or a text from outside that an error shows
_LONGEST_HINT = 2_000  # letters of what was expected, which may list names


def _short(text: str, most: int = _LONGEST) -> str:
    """The beginning of what comes from outside, which may be as long as a file."""
    return text if len(text) <= most else f"{text[:most]}…"


class BadText(RackError):
    """A text a person wrote that cannot be read. Line and column count from 1."""

    def __init__(self, line: int, column: int, found: str, expected: str) -> None:
        self.line = line
        self.column = column
        found, expected = _short(found), _short(expected, _LONGEST_HINT)
        self.found = found
        self.expected = expected
        super().__init__(f"line {line}, column {column}: found {found}, expected {expected}")

    @property
    def facts(self) -> dict[str, Any]:
        return {"line": self.line, "column": self.column}


class BadStackText(BadText):
    """The text of a stack does not follow the grammar."""


class BadSweepText(BadText):
    """The values or the axes of a sweep cannot be read."""


class BadRow(RackError, ValueError):
    """A row that no stack can have, or that no tag can say."""


class BadBlockText(RackError):
    """Block weights that cannot be read, or that mean nothing in a model.

    `which` is the text ("blocks" or "elements"), `position` the offset of the place in it, counted from 0.
    `entry` names the LoRA where it is one of several.
    """

    def __init__(self, which: str, position: int, found: str, expected: str, entry: str = "") -> None:
        self.which = which
        self.position = position
        found, expected = _short(found), _short(expected, _LONGEST_HINT)
        self.found = found
        self.expected = expected
        name = "block weights" if which == "blocks" else "element weights"
        whose = f"{entry}: " if entry else ""
        super().__init__(f"{whose}{name}, character {position + 1}: found {found}, expected {expected}")

    def of(self, entry: str) -> BadBlockText:
        """The same error with the name of the LoRA whose weights they are."""
        return BadBlockText(self.which, self.position, self.found, self.expected, entry)

    @property
    def facts(self) -> dict[str, Any]:
        return {"which": self.which, "position": self.position}


class WrongUse(RackError):
    """A command that was called with words that do not go together, or that name nothing."""


class BadInput(RackError):
    """A value at a node's input that is not what the input takes."""


class BadRequest(RackError):
    """A request of the page that is not what its route takes."""
