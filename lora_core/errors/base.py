"""The base of all errors."""

from __future__ import annotations

from typing import Any


class RackError(Exception):
    """Base of all errors of this package. Its text is meant for the person at the graph."""

    @property
    def facts(self) -> dict[str, Any]:
        """What a page or a program needs besides the text, as plain values."""
        return {}

    def begin_with(self, place: str) -> None:
        """Let the message begin with where this is: a row, an input."""
        self.args = (f"{place}: {self}",)

    def as_json(self) -> dict[str, Any]:
        """An error as a page or a program gets it: its class, its text, and the facts its class holds."""
        return {"type": type(self).__name__, "message": str(self), **self.facts}
