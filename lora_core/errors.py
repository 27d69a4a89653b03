"""Every error this package raises on purpose, in one tree.

    RackError
    ├── FileError              a LoRA file that cannot be used: names the file, the key, the way out
    │   ├── BrokenFile         not readable as what it claims to be (truncated, bad header, bad tensor)
    │   └── NotALora           readable, but not a LoRA (a checkpoint, an embedding, a pickle, nothing inside)
    ├── BadStackText           the text of a stack: line, column, what was found and what was expected
    ├── UnresolvedLora         a name or hash that does not mean exactly one file
    │   ├── MissingLora        no such file; the nearest names, where to get it
    │   ├── AmbiguousLora      several such files; all of them
    │   ├── OtherContent       a file of that name, but not of the hash beside it
    │   └── BadHash            no hash any tool gives a file
    ├── SearchUnfinished       the answer takes more reading than the caller allowed
    └── FitError               a LoRA that does not belong on this model
        ├── NothingMatches     not one of its layers is in the model
        └── ShapeMismatch      a layer is there, with another shape

Messages say what is wrong, where, what was found, and what to do.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path


class RackError(Exception):
    """Base of all errors of this package. Its text is meant for the person at the graph."""


class FileError(RackError):
    """A LoRA file that cannot be used."""

    def __init__(self, path: Path | str, problem: str, remedy: str, key: str | None = None) -> None:
        self.path = Path(path)
        self.key = key
        self.problem = problem
        self.remedy = remedy
        where = f"{self.path}, key {key!r}" if key is not None else str(self.path)
        super().__init__(f"{where}: {problem}. {remedy}")


class BrokenFile(FileError):
    """The file is damaged or is not the format its name claims."""


class NotALora(FileError):
    """The file is sound but holds no LoRA."""


class BadStackText(RackError):
    """The text of a stack does not follow the grammar. Line and column count from 1."""

    def __init__(self, line: int, column: int, found: str, expected: str) -> None:
        self.line = line
        self.column = column
        self.found = found
        self.expected = expected
        super().__init__(f"line {line}, column {column}: found {found}, expected {expected}")


class UnresolvedLora(RackError):
    """A name or a hash that does not mean exactly one file."""

    def __init__(self, name: str, candidates: Sequence[str], message: str) -> None:
        self.name = name
        self.candidates = tuple(candidates)
        super().__init__(message)

    def in_row(self, row: int) -> UnresolvedLora:
        """The same error, saying in which row of a stack (from 1) it is."""
        error = copy.copy(self)
        error.args = (f"row {row}: {self}",)
        return error


class MissingLora(UnresolvedLora):
    """No such file. `candidates` are the nearest names there are; `page` tells where to get it, if known."""

    def __init__(self, name: str, candidates: Sequence[str], hash: str = "", page: str = "") -> None:
        self.hash = hash
        self.page = page
        if candidates:
            hint = f"Nearest names: {', '.join(candidates)}"
        else:
            hint = "No name comes near it; put the file into a loras folder and refresh"
        wanted = f"{name!r}, and no file has the hash {hash}" if hash else repr(name)
        source = f". It comes from {page}" if page else ""
        super().__init__(name, candidates, f"no LoRA is called {wanted}. {hint}{source}")


class AmbiguousLora(UnresolvedLora):
    """Several such files. `candidates` are all of them."""

    def __init__(self, name: str, candidates: Sequence[str], hash: str = "") -> None:
        self.hash = hash
        listed = ", ".join(candidates)
        wanted = f"{name!r} with the hash {hash}" if hash else repr(name)
        super().__init__(name, candidates, f"{wanted} could be any of: {listed}. Write one of these instead")


class OtherContent(UnresolvedLora):
    """A file of that name is here, but it is not the one of the hash, and no other file is."""

    def __init__(self, name: str, candidates: Sequence[str], hash: str, found: str, page: str = "") -> None:
        self.hash = hash
        source = f" ({page})" if page else ""
        super().__init__(
            name,
            candidates,
            f"no file has the hash {hash}. {', '.join(candidates)} has the name {name!r} but another content "
            f"(AutoV2 {found}). Get the file of that hash{source}, or take the hash out to use this one",
        )


class BadHash(UnresolvedLora):
    """What is given as a hash is none."""

    def __init__(self, hash: str, problem: str) -> None:
        self.hash = hash
        super().__init__(
            "", (), f"{hash!r} is no hash of a LoRA: {problem}. Take it out to find the file by its name"
        )


class SearchUnfinished(RackError):
    """Whether a LoRA is here takes more reading than the caller allowed. Nothing is wrong."""


class FitError(RackError):
    """A LoRA that does not belong on the connected model."""


class NothingMatches(FitError):
    """Not one layer the LoRA names is in the model or the text encoder."""


class ShapeMismatch(FitError):
    """A layer the LoRA names is in the model, with another shape."""
