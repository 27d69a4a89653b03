"""Reading LoRA files: a safetensors header alone, or every tensor in one pass over the bytes.

The header is checked here rather than left to the safetensors library because its errors name neither
the tensor nor the way out, and tensors are read into memory of our own rather than mapped: a mapped file
that a trainer overwrites in place takes the whole host down (docs/decisions/0002).
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import torch

from ..errors import BadJson, BrokenFile, NotALora
from ..untrusted import read_json, shown
from .dtypes import DTYPES, Dtype
from .outline import Outline
from .peft_config import CONFIG_NAME

if TYPE_CHECKING:
    from torch import Tensor

MAX_HEADER_BYTES = 100_000_000  # the safetensors library's own limit
MAX_KEY = 1_000  # letters of a tensor's key; the longest known have 200
_MOST_AXES = 64  # of a tensor in torch

# What torch's weights-only reader raises on damaged bytes.
_UNREADABLE = (
    pickle.UnpicklingError,
    struct.error,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)

IS_EMBEDDING = "is a textual-inversion embedding"
MOVE_EMBEDDING = "Move it to models/embeddings and name it in the prompt"
_DOWNLOAD_AGAIN = "Download or copy the file again"
_CONVERT = "Convert it to .safetensors with the tool that made it"
_SAVE_AGAIN = "Save it again with a current trainer or the safetensors library"


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
        if not path.is_file():
            raise BrokenFile(path, "is not a file", "Name the .safetensors file inside it")
        try:
            config_mtime_ns = path.with_name(CONFIG_NAME).stat().st_mtime_ns
        except OSError:
            config_mtime_ns = 0
        return cls(path, found.st_size, found.st_mtime_ns, config_mtime_ns)


@dataclass(frozen=True)
class TensorInfo:
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
            raise BrokenFile(path, "is in the header twice", _SAVE_AGAIN, key=error.key) from None
        raise BrokenFile(path, f"has a header that {error.problem}", _DOWNLOAD_AGAIN) from None
    if not isinstance(parsed, dict):
        raise BrokenFile(path, "has a header that is not a JSON object", _DOWNLOAD_AGAIN)
    metadata = parsed.pop("__metadata__", {})
    if not isinstance(metadata, dict):
        raise BrokenFile(path, "has metadata that is not a JSON object", _SAVE_AGAIN, key="__metadata__")
    data_offset = 8 + len(raw)
    tensors = {key: _tensor_info(stamp.path, key, entry) for key, entry in parsed.items()}
    _check_layout(stamp, tensors, stamp.size - data_offset)
    return Header(stamp, {str(k): str(v) for k, v in metadata.items()}, tensors, data_offset)


@dataclass(frozen=True, eq=False)
class TensorFile:
    """A file read whole: its tensors on the CPU in their stored dtype, or the outlines of all."""

    stamp: Stamp
    metadata: Mapping[str, str]
    tensors: Mapping[str, Tensor]

    @property
    def is_outline(self) -> bool:
        """Whether no tensor has been read."""
        return any(isinstance(tensor, Outline) for tensor in self.tensors.values())

    @property
    def size(self) -> int:
        """Bytes the tensors hold in memory."""
        return 0 if self.is_outline else sum(t.numel() * t.element_size() for t in self.tensors.values())


def read_file(path: Path | str, pinned: bool = False, header: Header | None = None) -> TensorFile:
    """Read a safetensors file, or a pickled one through torch's weights-only reader, which runs no code.

    `pinned` reads into page-locked memory, from which a GPU fetches tensors on its own. `header` is
    the file's, where it has been read already.
    Raises BrokenFile or NotALora, naming the file, the key where there is one, and the way out.
    """
    stamp = Stamp.of(path)
    if is_pickle(stamp.path):
        return TensorFile(stamp, {}, _read_pickle(stamp.path))
    header = header or read_header(path)
    return TensorFile(header.stamp, header.metadata, read_tensors(header, pinned))


def is_pickle(path: Path) -> bool:
    """Whether a file is a pickle or torch's zip of one, whatever it is called."""
    with reading(path), path.open("rb") as file:
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


def read_tensors(header: Header, pinned: bool = False) -> dict[str, Tensor]:
    """All tensors of the file as views into one buffer, each byte read from disk once.

    Raises BrokenFile when the file has changed since its header was read.
    """
    path, size = header.stamp.path, header.stamp.size - header.data_offset
    buffer = torch.empty(size, dtype=torch.uint8, pin_memory=pinned)
    with reading(path), path.open("rb") as file:
        file.seek(header.data_offset)
        read = read_into(file, buffer)
    if read != size or Stamp.of(path) != header.stamp:
        raise BrokenFile(path, "changed while it was being read", "Queue again once it is complete")
    return {key: _view(buffer, info, torch_dtype(header, key)) for key, info in header.tensors.items()}


def torch_dtype(header: Header, key: str) -> torch.dtype:
    """The dtype of a tensor to be read. Raises BrokenFile for one this torch has not."""
    dtype = header.tensors[key].dtype
    if not dtype.is_known:
        problem = f"has the dtype {dtype}, which torch {torch.__version__} does not know"
        raise BrokenFile(header.stamp.path, problem, "Update torch", key=key)
    return dtype.torch


def _view(buffer: Tensor, info: TensorInfo, dtype: torch.dtype) -> Tensor:
    flat = buffer[info.start : info.stop]
    if info.start % info.dtype.itemsize:
        flat = flat.clone()  # the format does not promise alignment, a typed view needs it
    return flat.view(dtype).view(info.shape)


def _header_bytes(stamp: Stamp) -> bytes:
    path = stamp.path
    if stamp.size == 0:
        raise BrokenFile(path, "is empty", _DOWNLOAD_AGAIN)
    with reading(path), path.open("rb") as file:
        start = file.read(9)
        _refuse_other_formats(path, start)
        if len(start) < 8:
            raise BrokenFile(path, f"ends after {len(start)} bytes", _DOWNLOAD_AGAIN)
        (length,) = struct.unpack("<Q", start[:8])
        if length > MAX_HEADER_BYTES:
            problem = f"claims a header of {length} bytes, the format allows {MAX_HEADER_BYTES}"
            raise BrokenFile(path, problem, "It is damaged, or not a safetensors file")
        if length > stamp.size - 8:
            problem = f"claims a header of {length} bytes and has {stamp.size - 8}"
            raise BrokenFile(path, problem, _DOWNLOAD_AGAIN)
        file.seek(8)
        return file.read(length)


def _refuse_other_formats(path: Path, start: bytes) -> None:
    if start[:4] == b"GGUF":
        raise NotALora(path, "is a GGUF model", "LoRAs are .safetensors files")
    if _begins_a_pickle(start):
        raise BrokenFile(path, "is a pickled file where a .safetensors is needed", _CONVERT)
    prefix = start[:8]
    # "<" alone may be the low byte of a header's length, whose high bytes are zero.
    if (prefix[:1] == b"<" and b"\0" not in prefix) or prefix == b"version ":
        raise NotALora(path, "is a web page or a pointer, not the file itself", _DOWNLOAD_AGAIN)


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        # Not by its name: torch reads what is called .safetensors as that.
        with reading(path), path.open("rb") as file:
            loaded = torch.load(file, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        told = str(error).partition("\n")[0].partition(". ")[0] or type(error).__name__
        problem = f"is a pickled file that cannot be read safely ({told})"
        raise BrokenFile(path, problem, f"{_DOWNLOAD_AGAIN}. {_CONVERT} if that does not help") from None
    loaded = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else loaded
    if isinstance(loaded, dict) and "string_to_param" in loaded:
        raise NotALora(path, IS_EMBEDDING, MOVE_EMBEDDING)
    if not isinstance(loaded, dict) or not all(isinstance(v, torch.Tensor) for v in loaded.values()):
        raise NotALora(path, "is a pickled file that holds more than named tensors", _CONVERT)
    for key, tensor in loaded.items():
        if tensor.layout is not torch.strided or tensor.is_meta:
            raise BrokenFile(path, "is sparse, or holds no numbers", _SAVE_AGAIN, key=str(key))
    # Trainers pickle parameters too, which record what is done with them, and views of other tensors.
    return {str(key): tensor.detach().contiguous() for key, tensor in loaded.items()}


def _tensor_info(path: Path, key: str, entry: Any) -> TensorInfo:
    if len(key) > MAX_KEY:
        raise BrokenFile(path, f"has {len(key)} letters, a key has at most {MAX_KEY}", _SAVE_AGAIN, key=key)
    try:
        name, shape, (start, stop) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
    except (TypeError, KeyError, ValueError):
        problem = "has an entry without dtype, shape and two data_offsets"
        raise BrokenFile(path, problem, _SAVE_AGAIN, key=key) from None
    if not isinstance(name, str) or name not in DTYPES:
        raise BrokenFile(path, f"has the unknown dtype {shown(name)}", _SAVE_AGAIN, key=key)
    if len(shape) > _MOST_AXES:
        problem = f"has {len(shape)} dimensions, a tensor has at most {_MOST_AXES}"
        raise BrokenFile(path, problem, _SAVE_AGAIN, key=key)
    numbers = (*shape, start, stop)
    if any(not isinstance(n, int) or isinstance(n, bool) or not 0 <= n < 2**63 for n in numbers):
        problem = f"has a shape or offsets that are not counts ({', '.join(map(shown, numbers))})"
        raise BrokenFile(path, problem, _SAVE_AGAIN, key=key)
    dtype = DTYPES[name]
    needed = _bytes_of(shape, dtype)
    if stop - start != needed:
        told = "more than any file has" if needed is None else needed
        problem = f"spans {stop - start} bytes; {name} of shape {list(shape)} needs {told}"
        raise BrokenFile(path, problem, _SAVE_AGAIN, key=key)
    return TensorInfo(dtype, shape, start, stop)


def _bytes_of(shape: tuple[int, ...], dtype: Dtype) -> int | None:
    """What a tensor takes, or None where torch could not count its places."""
    places = dtype.itemsize
    for size in shape:
        places *= size or 1  # an empty tensor has steps from place to place all the same
        if places >= 2**63:
            return None
    return 0 if 0 in shape else places


def _check_layout(stamp: Stamp, tensors: Mapping[str, TensorInfo], data_bytes: int) -> None:
    end, previous = 0, ""
    for key, info in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].stop)):
        if info.stop > data_bytes:
            problem = f"ends at byte {info.stop} of the data, the file has {data_bytes}"
            raise BrokenFile(stamp.path, problem, f"It is truncated. {_DOWNLOAD_AGAIN}", key=key)
        if info.start < end:
            raise BrokenFile(stamp.path, f"overlaps {previous!r}", _SAVE_AGAIN, key=key)
        end, previous = info.stop, key
