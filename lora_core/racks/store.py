"""Stacks kept under names: one text file each, in one folder, so that a person can read and copy them.

Every writer says which version it read, and what is of another version by now is left as it is: of two pages
that save at once one is told. A version is a digest of the text.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import (
    BadJson,
    BadRackName,
    BadStackText,
    BrokenRack,
    CannotWrite,
    MissingRack,
    NamedRackError,
    RackChanged,
    RackExists,
)
from ..grammar import parse, scan
from ..reading import replacing
from ..stack import Entry, NamedRack
from ..untrusted import read_text, shown
from .expanding import expand

ENDING = ".txt"
MAX_BYTES = 2**20
_LONGEST = 100  # letters of a name
_NEAREST = 5
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")  # by Windows


@dataclass(frozen=True)
class SavedRack:
    """A rack as it is kept. `modified_s` is in seconds since 1970."""

    name: str
    text: str
    version: str
    modified_s: int = 0

    @property
    def names(self) -> list[str]:
        """The LoRAs and racks it names."""
        found = scan(self.text)
        return [row.name for row in found.rows if isinstance(row, Entry | NamedRack)]

    def says(self, query: str) -> bool:
        """Whether every word of a query stands in its name or in one of those it holds."""
        text = " ".join((self.name, *self.names)).casefold()
        return all(word in text for word in query.casefold().split())


class RackStore:
    """The racks of one folder, which need not be there yet. May be shared by threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writing = threading.Lock()

    def all(self, query: str = "") -> list[SavedRack]:
        """Every rack that can be read and that a query finds, by name."""
        found = [rack for name in self.names() if (rack := self._readable(name)) is not None]
        return [rack for rack in found if rack.says(query)]

    def names(self) -> list[str]:
        """What the racks are called."""
        try:
            files = [path.name for path in self.folder.iterdir() if path.suffix == ENDING]
        except OSError:  # nobody has saved one yet
            return []
        names = [unicodedata.normalize("NFC", name.removesuffix(ENDING)) for name in files]
        return sorted((name for name in names if not _problem(name)), key=str.casefold)

    def get(self, name: str) -> SavedRack:
        """Raises MissingRack, BadRackName, BrokenRack."""
        path = self._path(name)
        try:
            text, status = read_text(path, MAX_BYTES), path.stat()
        except FileNotFoundError:
            names = self.names()
            close = difflib.get_close_matches(name.casefold(), map(str.casefold, names), _NEAREST)
            raise MissingRack(name, [known for known in names if known.casefold() in close]) from None
        except (OSError, BadJson) as error:
            told = error.problem if isinstance(error, BadJson) else f"cannot be read ({error.strerror})"
            raise BrokenRack(path, told) from None
        return SavedRack(path.name.removesuffix(ENDING), text, _version(text), int(status.st_mtime))

    def text_of(self, name: str) -> str:
        """The text kept under a name, as `expand` asks for it."""
        return self.get(name).text

    def save(self, name: str, text: str, version: str = "") -> SavedRack:
        """Keep a text under a name. `version` is that of the rack whose place it takes; empty for a new one.

        Raises BadStackText for what is no stack, BadRackChain for one that holds itself, RackExists,
        RackChanged, BadRackName, CannotWrite.
        """
        content = _encoded(text)
        if len(content) > MAX_BYTES:
            raise BadRackName(name, f"it has more than {MAX_BYTES} bytes")
        expand(parse(text), lambda other: text if other == name else self._text_or_nothing(other))
        with self._writing:
            self._require(name, version)
            self._write(name, content)
        return self.get(name)

    def rename(self, name: str, to: str, version: str) -> SavedRack:
        """Keep a rack under another name. Rows that name it stay. Raises what `save` and `get` do."""
        with self._writing:
            self._require_there(name, version)
            if self._path(to) != self._path(name):
                if to.casefold() != name.casefold():
                    self._require(to, "")
                with _told(self._path(name), "renamed"):
                    self._path(name).rename(self._path(to))
        return self.get(to)

    def delete(self, name: str, version: str) -> None:
        """Raises RackChanged, MissingRack, CannotWrite."""
        with self._writing:
            self._require_there(name, version)
            with _told(self._path(name), "deleted"):
                self._path(name).unlink()

    def _require_there(self, name: str, version: str) -> None:
        """Raise where there is no such rack, or where it is not of this version."""
        if not version:
            self.get(name)
        self._require(name, version)

    def _require(self, name: str, version: str) -> None:
        """Raise where the rack is not of this version; an empty one is of a rack that is not there."""
        self._path(name)
        same = next((known for known in self.names() if known.casefold() == name.casefold()), None)
        if not version:
            if same is not None:  # a disk may not tell two cases apart, and people do not either
                raise RackExists(same, self.get(same).version)
            return
        found = self.get(name).version if same == _clean(name) else ""
        if found != version:
            raise RackChanged(name, found)

    def _write(self, name: str, content: bytes) -> None:
        path = self._path(name)
        with _told(self.folder, "made"):
            self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(path, len(content), force=True) as file:
            file.write(content)

    def _readable(self, name: str) -> SavedRack | None:
        try:
            return self.get(name)
        except NamedRackError:  # it may be gone by now
            return None

    def _text_or_nothing(self, name: str) -> str:
        """A rack that is not there yet may be saved later."""
        try:
            return self.text_of(name)
        except NamedRackError:
            return ""

    def _path(self, name: str) -> Path:
        """Where a rack lies. Raises BadRackName: what comes from outside never becomes another path."""
        name = _clean(name)
        if problem := _problem(name):
            raise BadRackName(name, problem)
        return self.folder / f"{name}{ENDING}"


@contextmanager
def _told(path: Path, what: str) -> Iterator[None]:
    """What the disk refuses, as an error of ours."""
    try:
        yield
    except OSError as error:
        raise CannotWrite(path, f"cannot be {what} ({error.strerror})") from None


def _encoded(text: str) -> bytes:
    """The bytes of a text. Raises BadStackText: JSON may hold half a surrogate pair, UTF-8 may not."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        above = text[: error.start].splitlines() or [""]
        column = len(above[-1]) + 1
        raise BadStackText(len(above), column, shown(text[error.start]), "text that UTF-8 can hold") from None


def _clean(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _problem(name: str) -> str:
    """Why no rack can be called so; empty for a name that can be a file's and stand in a tag."""
    if not name or name != name.strip() or name.endswith("."):
        return "a name is not empty, has no spaces around it and no dot at its end"
    if len(name) > _LONGEST or len(name.encode("utf-8", "replace")) > 2 * _LONGEST:
        return f"it has more than {_LONGEST} letters"
    if found := _FORBIDDEN.search(name):
        return f"it contains {found[0]!r}"
    if name.startswith(".") or _RESERVED.fullmatch(name) or not name.isprintable():
        return "no file can have this name everywhere"
    return ""


def _version(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
