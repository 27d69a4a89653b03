"""Which file it is, and what the header of a safetensors file says.

The header is checked here rather than left to the safetensors library because its errors name neither
the tensor nor the way out.
"""

from __future__ import annotations

import math
import stat
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import torch

from ..errors import BadJson, BrokenFile, NotALora
from ..untrusted import read_json, shown
from .dtypes import DTYPES, Dtype
from .peft_config import CONFIG_NAME

if TYPE_CHECKING:
    from torch import Tensor

MAX_HEADER_BYTES = 100_000_000  # the safetensors library's own limit
MAX_KEY = 1_000  # letters of a tensor's key; the longest known have 200
_MOST_AXES = 64  # of a tensor in torch

DOWNLOAD_AGAIN = "Download or copy the file again"
CONVERT = "Convert it to .safetensors with the tool that made it"
SAVE_AGAIN = "Save it again with a current trainer or the safetensors library"


@dataclass(frozen=True)
class Stamp:
    """What tells one state of a file, and of a PEFT config beside it, from another without reading it."""

    path: Path
    size: int
    mtime_ns: int
    config_mtime_ns: int = 0  # 0 where there is no config

    @classmethod
    def of(cls, path: Path | str) -> Stamp:
        """Raises BrokenFile when there is no regular file at `path`."""
        path = Path(path)
        try:
            found = path.stat()
        except OSError as error:
            raise BrokenFile(path, f"cannot be opened ({error.strerror})", "Check the path") from error
        if not stat.S_ISREG(found.st_mode):
            raise BrokenFile(path, "is not a file", "Name the .safetensors file inside it")
        try:
            config_mtime_ns = path.with_name(CONFIG_NAME).stat().st_mtime_ns
        except OSError:
            config_mtime_ns = 0
        return cls(path, found.st_size, found.st_mtime_ns, config_mtime_ns)


class TensorInfo(NamedTuple):
    """One tensor of a file; `start` and `stop` are byte offsets into the data section."""

    dtype: Dtype
    shape: tuple[int, ...]
    start: int
    stop: int


@dataclass(frozen=True)
class Header:
    """All a safetensors file says about itself; no tensor has been read."""

    stamp: Stamp
    metadata: Mapping[str, str]
    tensors: Mapping[str, TensorInfo]
    data_offset: int  # of the data section, in bytes from the start of the file

    @property
    def size(self) -> int:
        """Bytes of the file the header was made from, for a cache to count."""
        return self.data_offset


def read_header(path: Path | str) -> Header:
    """Read and check the header of a safetensors file.

    Raises BrokenFile, naming the file and the key, when the file is truncated, its header is not what the
    format asks for, or offsets are out of range, overlap, or disagree with dtype and shape.
    """
    stamp = Stamp.of(path)
    raw = _header_bytes(stamp)
    try:
        parsed = read_json(raw, MAX_HEADER_BYTES)
    except BadJson as error:
        if error.key is not None:
            raise BrokenFile(path, "is in the header twice", SAVE_AGAIN, key=error.key) from None
        raise BrokenFile(path, f"has a header that {error.problem}", DOWNLOAD_AGAIN) from None
    if not isinstance(parsed, dict):
        raise BrokenFile(path, "has a header that is not a JSON object", DOWNLOAD_AGAIN)
    metadata = parsed.pop("__metadata__", {})
    if not isinstance(metadata, dict):
        raise BrokenFile(path, "has metadata that is not a JSON object", SAVE_AGAIN, key="__metadata__")
    data_offset = 8 + len(raw)
    tensors = {key: _tensor_info(stamp.path, key, entry) for key, entry in parsed.items()}
    _check_layout(stamp, tensors, stamp.size - data_offset)
    return Header(stamp, {str(k): str(v) for k, v in metadata.items()}, tensors, data_offset)


def is_pickle(path: Path) -> bool:
    """Whether a file is a pickle or torch's zip of one, whatever it is called."""
    with reading(path), path.open("rb", buffering=0) as file:
        return _begins_a_pickle(file.read(9))


def _begins_a_pickle(start: bytes) -> bool:
    """The first bytes of a safetensors file are the length of its header and may be any, so its brace, the
    ninth, is asked.
    """
    if start[8:] == b"{":
        return False
    return start[:2] == b"PK" or (start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raises as BrokenFile what the system has against opening or reading the file in the block."""
    try:
        yield
    except OSError as error:
        remedy = "Check the disk, and check that you may read the file"
        raise BrokenFile(path, f"cannot be read ({error.strerror})", remedy) from error


def read_into(file: BinaryIO, buffer: Tensor) -> int:
    """Fill a tensor of bytes from where the file stands, and return how many there were."""
    found: int = file.readinto(buffer.numpy().data) if buffer.numel() else 0  # type: ignore[attr-defined]
    return found


def torch_dtype(header: Header, key: str) -> torch.dtype:
    """The dtype of a tensor to be read. Raises BrokenFile for one this torch has not."""
    dtype = header.tensors[key].dtype
    if not dtype.is_known:
        problem = f"has the dtype {dtype}, which torch {torch.__version__} does not know"
        raise BrokenFile(header.stamp.path, problem, "Update torch", key=key)
    return dtype.torch


def _header_bytes(stamp: Stamp) -> bytes:
    path = stamp.path
    if stamp.size == 0:
        raise BrokenFile(path, "is empty", DOWNLOAD_AGAIN)
    with reading(path), path.open("rb") as file:
        start = file.read(9)
        _refuse_other_formats(path, start)
        if len(start) < 8:
            raise BrokenFile(path, f"ends after {len(start)} bytes", DOWNLOAD_AGAIN)
        (length,) = struct.unpack("<Q", start[:8])
        if length > MAX_HEADER_BYTES:
            problem = f"claims a header of {length} bytes, the format allows {MAX_HEADER_BYTES}"
            raise BrokenFile(path, problem, "It is damaged, or not a safetensors file")
        if length > stamp.size - 8:
            problem = f"claims a header of {length} bytes and has {stamp.size - 8}"
            raise BrokenFile(path, problem, DOWNLOAD_AGAIN)
        file.seek(8)
        return file.read(length)


def _refuse_other_formats(path: Path, start: bytes) -> None:
    if start[:4] == b"GGUF":
        raise NotALora(path, "is a GGUF model", "LoRAs are .safetensors files")
    if _begins_a_pickle(start):
        raise BrokenFile(path, "is a pickled file where a .safetensors is needed", CONVERT)
    prefix = start[:8]
    # "<" alone may be the low byte of a header's length, whose high bytes are zero.
    if (prefix[:1] == b"<" and b"\0" not in prefix) or prefix == b"version ":
        raise NotALora(path, "is a web page or a pointer, not the file itself", DOWNLOAD_AGAIN)


def _tensor_info(path: Path, key: str, entry: Any) -> TensorInfo:
    if len(key) > MAX_KEY:
        raise BrokenFile(path, f"has {len(key)} letters, a key has at most {MAX_KEY}", SAVE_AGAIN, key=key)
    try:
        name, shape, (start, stop) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
    except (TypeError, KeyError, ValueError):
        problem = "has an entry without dtype, shape and two data_offsets"
        raise BrokenFile(path, problem, SAVE_AGAIN, key=key) from None
    if not isinstance(name, str) or name not in DTYPES:
        raise BrokenFile(path, f"has the unknown dtype {shown(name)}", SAVE_AGAIN, key=key)
    if len(shape) > _MOST_AXES:
        problem = f"has {len(shape)} dimensions, a tensor has at most {_MOST_AXES}"
        raise BrokenFile(path, problem, SAVE_AGAIN, key=key)
    numbers = (*shape, start, stop)
    if set(map(type, numbers)) != {int} or min(numbers) < 0 or max(numbers) >= 2**63:
        problem = f"has a shape or offsets that are not counts ({', '.join(map(shown, numbers))})"
        raise BrokenFile(path, problem, SAVE_AGAIN, key=key)
    dtype = DTYPES[name]
    needed = _bytes_of(shape, dtype)
    if stop - start != needed:
        told = "more than any file has" if needed is None else needed
        problem = f"spans {stop - start} bytes; {name} of shape {list(shape)} needs {told}"
        raise BrokenFile(path, problem, SAVE_AGAIN, key=key)
    return TensorInfo(dtype, shape, start, stop)


def _bytes_of(shape: tuple[int, ...], dtype: Dtype) -> int | None:
    """What a tensor takes, or None where torch could not count its places."""
    # An empty tensor has steps from place to place all the same.
    places = dtype.itemsize * math.prod(filter(None, shape))
    if places >= 2**63:
        return None
    return 0 if 0 in shape else places


def _check_layout(stamp: Stamp, tensors: Mapping[str, TensorInfo], data_bytes: int) -> None:
    end, previous = 0, ""
    for start, stop, key in sorted((info.start, info.stop, key) for key, info in tensors.items()):
        if stop > data_bytes:
            problem = f"ends at byte {stop} of the data, the file has {data_bytes}"
            raise BrokenFile(stamp.path, problem, f"It is truncated. {DOWNLOAD_AGAIN}", key=key)
        if start < end:
            raise BrokenFile(stamp.path, f"overlaps {previous!r}", SAVE_AGAIN, key=key)
        end, previous = stop, key
