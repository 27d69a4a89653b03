"""The words of a prompt while its tags are taken out: only their end is ever looked at or changed.

A prompt of thousands of tags is read in time that grows with its length: what lies before the end is never
copied again.
"""

from __future__ import annotations

_SPACES = " \t"


class Words:
    """Words so far: pieces that each end in a letter, and the white space after the last of them."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._gap = ""

    def add(self, text: str) -> None:
        solid = text.rstrip()
        if not solid:
            self._gap += text
            return
        self._pieces.append(self._gap + solid)
        self._gap = text[len(solid) :]

    def text(self) -> str:
        return "".join(self._pieces) + self._gap

    @property
    def last(self) -> str:
        """The last letter that is no white space, or nothing."""
        return self._pieces[-1][-1] if self._pieces else ""

    @property
    def ends_with_space(self) -> bool:
        """Whether white space, or nothing at all, comes last."""
        return bool(self._gap) or not self._pieces

    def drop_last(self) -> None:
        """Take the last letter that is no white space away; the space after it stays."""
        self._shorten(self._pieces.pop()[:-1])

    def trim(self) -> None:
        """Take spaces away from the end, but no line ends."""
        self._gap = self._gap.rstrip(_SPACES)

    @property
    def line_is_empty(self) -> bool:
        """Whether the last line holds nothing, or nothing but a '#'."""
        if not self._pieces or "\n" in self._gap or "\r" in self._gap:
            return True
        if self.last != "#":
            return False
        before = self._pieces[-1][:-1].rstrip()
        begins_line = set(self._pieces[-1][len(before) : -1]) & {"\n", "\r"}
        return bool(begins_line) or (not before and len(self._pieces) == 1)

    def drop_line(self, is_last: bool) -> None:
        """Take an empty last line away, and where it `is_last` of the prompt the line end before it."""
        self.trim()
        if self._pieces and not self._gap:
            self._shorten(self._pieces.pop().rstrip(_SPACES + "#"))
        if is_last and self._gap:
            ends = 2 if self._gap.endswith("\r\n") else 1 if self._gap[-1] in "\r\n" else 0
            self._gap = self._gap[: len(self._gap) - ends]

    def _shorten(self, piece: str) -> None:
        """Put back what is left of the piece just taken off."""
        solid = piece.rstrip()
        self._gap = piece[len(solid) :] + self._gap
        if solid:
            self._pieces.append(solid)
