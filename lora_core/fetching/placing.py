"""Where a file that comes is kept until it is whole, and how it gets its name. Nothing is ever replaced."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from ..errors import CannotStore
from .candidates import Candidate

_PIECE = 2**20
_SPARE_BYTES = 2**26  # left free on the disk
_OLD_S = 7 * 24 * 3600.0


@dataclass(frozen=True)
class Got:
    """A file that is in its place. `was_here` is True where it had been there before."""

    path: Path
    sha256: str
    size: int
    was_here: bool
    is_verified: bool  # whether the site named a SHA256 to compare with


def clean_parts(folder: Path) -> None:
    """Remove parts that nobody has gone on with for a week."""
    for part in folder.glob(".*.part"):
        try:
            if time.time() - part.stat().st_mtime > _OLD_S:
                part.unlink()
        except OSError:
            continue


def already(place: Path, candidate: Candidate) -> Got:
    """A file of that name: fine if it is the one. Raises CannotStore."""
    digest = hashlib.sha256()
    try:
        with place.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
    except OSError as error:
        raise CannotStore(place, f"cannot be read ({error.strerror})", "Check the path") from None
    if candidate.sha256 and digest.hexdigest() == candidate.sha256:
        return Got(place, candidate.sha256, place.stat().st_size, was_here=True, is_verified=True)
    raise CannotStore(
        place,
        "is another file of the same name, and nothing is replaced",
        "Move it, or choose another folder",
    )


def part_of(place: Path, candidate: Candidate) -> Path:
    source = candidate.sha256 or hashlib.sha256(candidate.url.encode()).hexdigest()
    return place.with_name(f".{place.name}.{source[:16]}.part")


@contextmanager
def alone(part: Path, place: Path) -> Iterator[FileIO]:
    """The part, open for reading and writing, and nobody else's meanwhile. Raises CannotStore.

    Nothing is buffered: a full disk shows where it is written to, and not when the file is closed.
    """
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        out = part.open("a+b", buffering=0)
    except OSError as error:
        remedy = "Choose another folder"
        raise CannotStore(place, f"cannot be written ({error.strerror})", remedy) from None
    with out:
        if not _lock(out):
            raise CannotStore(place, "is being downloaded already", "Wait for that download")
        yield out


@contextmanager
def storing(place: Path) -> Iterator[None]:
    """Around what is written of a file that will be `place`: CannotStore for what the system says."""
    try:
        yield
    except OSError as error:
        remedy = "Make room, then run again: it goes on where it stopped"
        raise CannotStore(place, f"cannot be written ({error.strerror})", remedy) from None


def _lock(out: FileIO) -> bool:
    """Take the file for this process; given back when it is closed, whatever becomes of the process."""
    try:
        if os.name == "nt":
            import msvcrt

            out.seek(2**40)
            msvcrt.locking(out.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(out.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def put(part: Path, place: Path) -> None:
    """Give the part its name by a link, which, unlike a rename, never replaces a file. Raises CannotStore."""
    try:
        os.link(part, place)
    except FileExistsError:
        remedy = "Move it, then run again: the download is kept"
        raise CannotStore(place, "has appeared meanwhile, and nothing is replaced", remedy) from None
    except OSError:
        if place.exists():
            raise CannotStore(place, "has appeared meanwhile", "Move it, then run again") from None
        part.rename(place)  # a disk that has no links, such as exFAT
        return
    part.unlink(missing_ok=True)  # `drop_second_name` of another process may have been quicker


def drop_second_name(part: Path, place: Path) -> None:
    """Remove what a process that died between the two steps of `put` left: the file has both names then."""
    try:
        if part.samefile(place):
            part.unlink(missing_ok=True)
    except OSError:
        return  # there is no part, as nearly always


def too_large(place: Path, size: int, max_bytes: int) -> CannotStore:
    return CannotStore(
        place,
        f"the file has {size / 2**20:.0f} MiB, {max_bytes / 2**20:.0f} MiB are allowed",
        "Allow more if that is what you want",
    )


def require_room(place: Path, size: int) -> None:
    try:
        free = shutil.disk_usage(place.parent).free
    except OSError as error:
        raise CannotStore(
            place.parent, f"cannot be used ({error.strerror})", "Choose another folder"
        ) from None
    if free < size + _SPARE_BYTES:
        raise CannotStore(
            place,
            f"{size / 2**20:.0f} MiB are still to come and {free / 2**20:.0f} MiB are free",
            "Make room, or choose another folder",
        )
