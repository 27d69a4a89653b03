"""Files that cannot be used, read or written."""

from __future__ import annotations

from pathlib import Path

from .base import RackError

_LONGEST = 300  # letters of a key, a name or a text from outside that an error shows


def _short(text: str, most: int = _LONGEST) -> str:
    """The beginning of what comes from outside, which may be as long as a file."""
    return text if len(text) <= most else f"{text[:most]}…"


class FileError(RackError):
    """A file that cannot be used."""

    def __init__(self, path: Path | str, problem: str, remedy: str, key: str | None = None) -> None:
        self.path = Path(path)
        self.key = key
        self.problem = problem
        self.remedy = remedy
        where = f"{self.path}, key {_short(key)!r}" if key is not None else str(self.path)
        super().__init__(f"{where}: {problem}. {remedy}")


class BrokenFile(FileError):
    """The file is damaged or is not the format its name claims."""


class NotALora(FileError):
    """The file is sound but holds no LoRA."""


class NotAModel(FileError):
    """The file is sound but holds no model, or no text encoder, where one was named."""


class BadJson(RackError):
    """What is given as JSON is none, or is larger or deeper than any that is read.

    `problem` is a predicate ("is not JSON (…)") for who knows what the text is; `key` is one it has twice.
    """

    def __init__(self, problem: str, key: str | None = None) -> None:
        self.problem = problem
        self.key = key
        super().__init__(f"the text {problem}")


class BadPicture(RackError):
    """What is given as a picture is none, or is larger than any that is decoded."""


class CannotWrite(RackError):
    """A file that cannot be written where it should. `path` is that place."""

    def __init__(self, path: Path, problem: str, remedy: str = "") -> None:
        self.path = path
        super().__init__(f"{path}: {problem}" + (f". {remedy}" if remedy else ""))


class ExistsAlready(CannotWrite):
    """There is a file in the place, and nobody said that it may be replaced."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "exists already")
