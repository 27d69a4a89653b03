"""From a candidate to a file: resumed where it broke off, hashed on the way, in place only when it is whole.

While it comes the file is `.NAME.DIGEST.part` beside its place; the digest tells one source's part from
another's, so that a later run goes on with it.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from io import FileIO
from pathlib import Path

from ..errors import FileError, SiteError, TransferFailed
from ..reading import read_header
from .candidates import Candidate
from .placing import Got, alone, already, drop_second_name, part_of, put, require_room, storing, too_large
from .sites import LoraSite

Progress = Callable[[int, int], None]
"""Told (bytes here, bytes in all); may raise to stop the work. What came until then is kept."""

MAX_BYTES = 4 * 2**30  # more than any LoRA known; a larger one has to be allowed
_PIECE = 2**20
_HEAD = 9  # the length of a safetensors header, and its first character
_TRIES = 5  # without a byte more in between
_FIRST_WAIT_S = 0.5


def fetch(
    site: LoraSite,
    candidate: Candidate,
    folder: Path,
    progress: Progress,
    *,
    max_bytes: int = MAX_BYTES,
    wait: Callable[[float], None] = time.sleep,
) -> Got:
    """Bring a file into `folder`, or find that it is there. No other file is ever replaced.

    Raises CannotStore, TransferFailed, or what the site raises.
    """
    place = folder / candidate.safe_name
    part = part_of(place, candidate)
    if place.exists():
        drop_second_name(part, place)
        return already(place, candidate)
    _require_size(place, candidate, max_bytes)
    with alone(part, place) as out:
        digest = _Transfer(site, candidate, place, out, progress, max_bytes, wait).run()
        size = out.tell()
        _require_content(candidate, part, digest)
        put(part, place)
    return Got(place, digest, size, was_here=False, is_verified=bool(candidate.sha256))


class _Transfer:
    """One file on its way."""

    def __init__(
        self,
        site: LoraSite,
        candidate: Candidate,
        place: Path,
        out: FileIO,
        progress: Progress,
        max_bytes: int,
        wait: Callable[[float], None],
    ) -> None:
        self._site, self._candidate, self._place, self._out = site, candidate, place, out
        self._progress, self._max_bytes, self._wait = progress, max_bytes, wait
        self._hash = hashlib.sha256()
        self._head = b""  # the first bytes, which tell what kind of file it is
        self._here = 0
        self._total = 0  # 0 while nobody has said it

    def run(self) -> str:
        """All bytes into the part; their SHA256. A part that turns out to be another file's is begun anew."""
        self._take_up()
        resumed = self._here > 0
        digest = self._receive()
        if resumed and self._candidate.sha256 and digest != self._candidate.sha256:
            self._restart()
            digest = self._receive()
        with storing(self._place):
            os.fsync(self._out.fileno())
        return digest

    def _take_up(self) -> None:
        self._out.seek(0)
        while piece := self._out.read(_PIECE):
            self._count(piece)

    def _count(self, piece: bytes) -> None:
        if len(self._head) < _HEAD:
            self._head += piece[: _HEAD - len(self._head)]
        self._hash.update(piece)
        self._here += len(piece)

    def _restart(self) -> None:
        self._out.seek(0)
        self._out.truncate()
        self._hash, self._head, self._here = hashlib.sha256(), b"", 0

    def _receive(self) -> str:
        """Ask until all is here; gives up after a few answers in a row that brought nothing."""
        fruitless = 0
        while not self._is_whole():
            before = self._here
            try:
                self._ask()
                problem = "the connection broke off"
            except SiteError as error:
                if error.status != 416 or not before:
                    raise
                self._past_the_end()
                problem = "the server knows no such part of the file"
            except (OSError, HTTPException) as error:
                problem = f"the connection broke off ({type(error).__name__})"
            if self._is_whole():
                break
            fruitless = 0 if self._here > before else fruitless + 1
            if fruitless == _TRIES:
                raise TransferFailed(self._place.name, problem, "Run again: it goes on where it stopped")
            self._wait(_FIRST_WAIT_S * 2**fruitless)
        return self._hash.hexdigest()

    def _past_the_end(self) -> None:
        """The part has as many bytes as the file, or more: it is the file, or it is begun anew."""
        if self._candidate.sha256 and self._hash.hexdigest() == self._candidate.sha256:
            self._total = self._here
        else:
            self._restart()

    def _is_whole(self) -> bool:
        return bool(self._total) and self._here == self._total

    def _ask(self) -> None:
        with self._site.open(self._candidate, self._here) as answer:
            self._begin(answer)
            while piece := answer.read(_PIECE):
                self._store(piece)
        if not self._total:
            self._total = self._here  # the server named no length, and closed when all was sent

    def _begin(self, answer: HTTPResponse) -> None:
        """Learn from the answer's head what it brings."""
        if "text/html" in (answer.headers.get("Content-Type") or ""):
            raise SiteError(self._site.name, "sent a page instead of the file; it may want you to log in")
        if answer.status == 206:
            start, total = _content_range(answer)
            if start != self._here:
                self._restart()
                raise ConnectionError("the server sent another part than asked for")
        else:
            if self._here:
                self._restart()  # the server sends the whole file again
            length = answer.headers.get("Content-Length") or ""
            total = int(length) if length.isascii() and length.isdecimal() and len(length) < 16 else 0
        if total:
            self._require_total(total)

    def _require_total(self, total: int) -> None:
        if self._candidate.sha256 and self._candidate.size and not _is_size(total, self._candidate.size):
            raise TransferFailed(
                self._place.name,
                f"the server sends {total} bytes, the site promised {self._candidate.size}",
                "The file may have been replaced there; look at its page",
            )
        if total > self._max_bytes:
            raise too_large(self._place, total, self._max_bytes)
        require_room(self._place, total - self._here)
        self._total = total

    def _store(self, piece: bytes) -> None:
        if self._here + len(piece) > (self._total or self._max_bytes):
            raise TransferFailed(self._place.name, "more bytes came than the server said", "Run again")
        left = memoryview(piece)
        while left:
            with storing(self._place):
                left = left[self._out.write(left) :]
        is_new = len(self._head) < _HEAD
        self._count(piece)
        if is_new and len(self._head) == _HEAD:
            _require_safetensors(self._place.name, self._head)
        self._progress(self._here, self._total)


def _require_size(place: Path, candidate: Candidate, max_bytes: int) -> None:
    if candidate.size is not None:
        if candidate.size > max_bytes:
            raise too_large(place, candidate.size, max_bytes)
        require_room(place, candidate.size)


def _require_safetensors(name: str, head: bytes) -> None:
    """Refuse by content what is no safetensors file: a pickle can run code when it is loaded."""
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= 100_000_000:
        return
    what = (
        "a pickle, which can run code when it is loaded"
        if head[:2] in (b"PK", b"\x80\x02")
        else "something else"
    )
    raise TransferFailed(
        name, f"the site sent {what}, not a safetensors file", "Only safetensors files are taken"
    )


def _require_content(candidate: Candidate, part: Path, digest: str) -> None:
    if candidate.sha256 and digest != candidate.sha256:
        part.unlink(missing_ok=True)
        raise TransferFailed(
            candidate.safe_name,
            f"the file that came has SHA256 {digest[:10]}…, promised was {candidate.sha256[:10]}…",
            "It was thrown away; run again, and look at its page if that does not help",
        )
    try:
        read_header(part)
    except FileError as error:
        part.unlink(missing_ok=True)
        remedy = "It was thrown away; look at its page"
        raise TransferFailed(candidate.safe_name, f"the file that came {error.problem}", remedy) from None


def _is_size(found: int, promised: int) -> bool:
    """Civitai tells kibibytes with two digits: a few bytes to and fro are the same size."""
    return abs(found - promised) <= 16


def _content_range(answer: HTTPResponse) -> tuple[int, int]:
    """(first byte, bytes in all) of a part; (-1, 0) where the server does not say it as it should."""
    text = (answer.headers.get("Content-Range") or "").strip().removeprefix("bytes ")
    span, _, total = text.partition("/")
    first = span.partition("-")[0]
    if first.isascii() and first.isdecimal() and len(first) < 16:
        return int(first), int(total) if total.isascii() and total.isdecimal() and len(total) < 16 else 0
    return -1, 0
