"""Safetensors files a tensor at a time: the largest tensor is all the memory a copy of any file needs."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import torch

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from ..errors import BrokenFile, CannotWrite, ExistsAlready
from .dtypes import dtype_of
from .files import Header, Stamp, read_into, reading, torch_dtype

if TYPE_CHECKING:
    from torch import Tensor

_PIECE = 2**22
_ELSEWHERE = "Make room, or write it elsewhere"
_TRIES = 10
PART = ".lora-rack-part"  # what a file is called until it is whole


class TensorReader:
    """Reads single tensors of one file into memory of their own. Use it in a `with`."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self._path = header.stamp.path
        with reading(self._path):
            self._file: BinaryIO = self._path.open("rb")

    def __enter__(self) -> TensorReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def read(self, key: str) -> Tensor:
        """One tensor in its stored dtype. Raises BrokenFile when the file ends before it does."""
        info = self._header.tensors[key]
        buffer = torch.empty(info.stop - info.start, dtype=torch.uint8)
        with reading(self._path):
            self._file.seek(self._header.data_offset + info.start)
            found = read_into(self._file, buffer)
        if found != buffer.numel():
            raise self._changed()
        return buffer.view(torch_dtype(self._header, key)).view(info.shape)

    def copy(self, key: str, out: BinaryIO) -> None:
        """Write the bytes of one tensor to `out`, a few MiB at a time."""
        info = self._header.tensors[key]
        left = info.stop - info.start
        with reading(self._path):
            self._file.seek(self._header.data_offset + info.start)
        while left:
            with reading(self._path):
                piece = self._file.read(min(_PIECE, left))
            if not piece:
                raise self._changed()
            out.write(piece)
            left -= len(piece)

    def require_unchanged(self) -> None:
        """Raises BrokenFile when the file is no longer the one whose header was read."""
        if Stamp.of(self._path) != self._header.stamp:
            raise self._changed()

    def _changed(self) -> BrokenFile:
        return BrokenFile(self._path, "changed while it was being read", "Run again")


class Form(NamedTuple):
    """What a header says of a tensor to be written."""

    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


def header_bytes(forms: Mapping[str, Form], metadata: Mapping[str, str]) -> bytes:
    """Everything before the data of a file whose tensors follow in the order of `forms`.

    Padded with spaces to a multiple of 8 bytes, as the format's own writer does.
    """
    entries: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    start = 0
    for key, form in forms.items():
        entries[key] = {
            "dtype": dtype_of(form.dtype).name,
            "shape": list(form.shape),
            "data_offsets": [start, start + form.size],
        }
        start += form.size
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def write_tensor(out: BinaryIO, tensor: Tensor) -> None:
    """Write a tensor's bytes without a second copy of it."""
    if tensor.numel():
        out.write(tensor.contiguous().flatten().view(torch.uint8).numpy().data)


@contextmanager
def replacing(path: Path, size: int, force: bool) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` when the block ends well, and vanishes when it does not.

    Raises ExistsAlready when there is such a file and not `force`, CannotWrite when `size` bytes do not fit
    or writing fails.
    """
    refuse_existing(path, force)
    folder = path.parent
    remove_abandoned(folder)
    try:
        temporary, lock = _new_part(path)
    except OSError as error:
        raise CannotWrite(folder, f"cannot be written to ({error.strerror})") from None
    try:
        with temporary as file:
            free = shutil.disk_usage(folder).free
            if free < size:
                raise CannotWrite(folder, f"has {free} bytes free, the file needs {size}", _ELSEWHERE)
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary.name, 0o666 & ~_umask())
        refuse_existing(path, force)
        os.replace(temporary.name, path)
    except BaseException as error:
        Path(temporary.name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            problem = f"could not be written ({error.strerror}); nothing has been changed"
            raise CannotWrite(path, problem, _ELSEWHERE) from error
        raise
    finally:
        if lock is not None:
            os.close(lock)


def _new_part(path: Path) -> tuple[Any, int | None]:
    """An empty file beside `path`, and the lock that says somebody writes it; None where nobody can lock.

    Before it is locked, another process may take it for abandoned and remove it: then there is a next one.
    """
    for left in reversed(range(_TRIES)):
        # In the same folder, so that the last step is a rename and never a copy.
        part = NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=PART, delete=False)  # noqa: SIM115
        lock = _lock(Path(part.name))
        if (lock is not None and os.fstat(lock).st_nlink) or fcntl is None or not left:
            break
        part.close()
        Path(part.name).unlink(missing_ok=True)
        if lock is not None:
            os.close(lock)
    return part, lock


def remove_abandoned(folder: Path) -> None:
    """Remove the parts that processes no longer running have left in a folder.

    A process holds a lock on the part it writes, which the system takes back however the process ends.
    """
    for part in folder.glob(f".*{PART}"):
        lock = _lock(part)
        if lock is None and fcntl is not None:
            continue
        with contextlib.suppress(OSError):  # not ours, or gone
            part.unlink()
        if lock is not None:
            os.close(lock)


def _lock(path: Path) -> int | None:
    """A descriptor that locks a file until it is closed; None where another has done so, or nobody can.

    Windows has no use for it: there a file that somebody has open cannot be removed.
    """
    if fcntl is None:
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def refuse_existing(path: Path, force: bool) -> None:
    """Raises ExistsAlready when `path` exists and may not be replaced, CannotWrite when it is a folder."""
    if path.is_dir():
        raise CannotWrite(path, "is a folder", "Name the file to write")
    if path.exists() and not force:
        raise ExistsAlready(path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def total_size(forms: Iterable[Form]) -> int:
    """Bytes of the data."""
    return sum(form.size for form in forms)
