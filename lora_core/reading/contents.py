"""A LoRA file read whole: every tensor in one pass over the bytes.

Tensors are read into memory of our own rather than mapped: a mapped file that a trainer overwrites in place
takes the whole host down (docs/decisions/0002).
"""

from __future__ import annotations

import math
import pickle
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..errors import BrokenFile, NotALora
from .files import (
    CONVERT,
    DOWNLOAD_AGAIN,
    SAVE_AGAIN,
    Header,
    Stamp,
    TensorInfo,
    is_pickle,
    read_header,
    read_into,
    reading,
    torch_dtype,
)
from .outline import Outline

if TYPE_CHECKING:
    from torch import Tensor

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


@dataclass(frozen=True, eq=False)
class TensorFile:
    """A file read whole: its tensors on the CPU in their stored dtype, or the outlines of all.

    `runs` are the same numbers in as few tensors as may be, where the file's tensors lie in one memory.
    """

    stamp: Stamp
    metadata: Mapping[str, str]
    tensors: Mapping[str, Tensor]
    runs: Sequence[Tensor] = ()

    @cached_property
    def is_outline(self) -> bool:
        """Whether no tensor has been read."""
        return any(isinstance(tensor, Outline) for tensor in self.tensors.values())

    @property
    def contents(self) -> Sequence[Tensor]:
        """All numbers of the file, in as few tensors as may be."""
        return self.runs or tuple(self.tensors.values())

    @property
    def size(self) -> int:
        """Bytes the tensors hold in memory."""
        return 0 if self.is_outline else sum(t.numel() * t.element_size() for t in self.contents)


def read_file(path: Path | str, pinned: bool = False, header: Header | None = None) -> TensorFile:
    """Read a safetensors file, or a pickled one through torch's weights-only reader, which runs no code.

    `pinned` reads into page-locked memory, from which a GPU fetches tensors on its own. `header` is
    the file's, where it has been read already.
    Raises BrokenFile or NotALora, naming the file, the key where there is one, and the way out.
    """
    if header is None:
        stamp = Stamp.of(path)
        if is_pickle(stamp.path):
            return TensorFile(stamp, {}, _read_pickle(stamp.path))
        header = read_header(path)
    return _read_whole(header, pinned)


def _read_whole(header: Header, pinned: bool) -> TensorFile:
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
    runs: list[Tensor] = []
    views: dict[str, Tensor] = {}
    for keys in _runs(header.tensors):
        infos = [header.tensors[key] for key in keys]
        run = _typed(buffer[infos[0].start : infos[-1].stop], torch_dtype(header, keys[0]))
        parts = torch.split(run, [math.prod(info.shape) for info in infos])
        views.update((key, part.view(info.shape)) for key, part, info in zip(keys, parts, infos, strict=True))
        runs.append(run)
    return TensorFile(header.stamp, header.metadata, {key: views[key] for key in header.tensors}, runs)


def _runs(tensors: Mapping[str, TensorInfo]) -> list[list[str]]:
    """The keys in the order of the bytes, neighbours of one dtype together: to make one view of many tensors
    and to look at their numbers takes a call of torch then, not hundreds.
    """
    runs: list[list[str]] = []
    follows = None
    for key, info in sorted(tensors.items(), key=lambda item: item[1][2:]):
        if follows != (info.dtype, info.start):
            runs.append([])
        runs[-1].append(key)
        follows = (info.dtype, info.stop)
    return runs


def _typed(stored: Tensor, dtype: torch.dtype) -> Tensor:
    """Bytes as numbers. The format does not promise the alignment that a view of other numbers needs."""
    is_aligned = stored.storage_offset() % dtype.itemsize == 0
    return (stored if is_aligned else stored.clone()).view(dtype)


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        # Not by its name: torch reads what is called .safetensors as that.
        with reading(path), path.open("rb") as file:
            loaded = torch.load(file, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        told = str(error).partition("\n")[0].partition(". ")[0] or type(error).__name__
        problem = f"is a pickled file that cannot be read safely ({told})"
        raise BrokenFile(path, problem, f"{DOWNLOAD_AGAIN}. {CONVERT} if that does not help") from None
    loaded = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else loaded
    if isinstance(loaded, dict) and "string_to_param" in loaded:
        raise NotALora(path, IS_EMBEDDING, MOVE_EMBEDDING)
    if not isinstance(loaded, dict) or not all(isinstance(v, torch.Tensor) for v in loaded.values()):
        raise NotALora(path, "is a pickled file that holds more than named tensors", CONVERT)
    for key, tensor in loaded.items():
        if tensor.layout is not torch.strided or tensor.is_meta:
            raise BrokenFile(path, "is sparse, or holds no numbers", SAVE_AGAIN, key=str(key))
    # Trainers pickle parameters too, which record what is done with them, and views of other tensors.
    return {str(key): tensor.detach().contiguous() for key, tensor in loaded.items()}
