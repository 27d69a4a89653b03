"""A LoRA file a few layers at a time.

Which layers there are, of what shape and rank, is known from the header; the factors of a layer are read when
its weight's turn comes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from ..adapters import MAX_DIMENSIONS
from ..errors import BrokenFile
from .contents import TensorFile, read_file
from .files import Header, Stamp, is_pickle, read_header, reading
from .key_names import group_keys
from .lora import Lora, find_configs, read_lora, whole_name
from .outline import Outline, numbers_in
from .peft_config import PeftConfig
from .stream import TensorReader
from .whole_file_names import convert

if TYPE_CHECKING:
    from torch import Tensor


class PartialLora:
    """One LoRA file. `outline` is all of it with outlines for tensors: no torch is loaded."""

    def __init__(self, path: Path) -> None:
        self.header: Header | None = None
        if is_pickle(Stamp.of(path).path):
            whole = read_file(path)
        else:
            self.header = read_header(path)
            whole = TensorFile(self.header.stamp, self.header.metadata, _outline(self.header))
        self.stamp, self.metadata = whole.stamp, whole.metadata
        self._whole = whole
        self.outline = read_lora(whole)

    @cached_property
    def _tensors(self) -> Mapping[str, Tensor]:
        """Some formats only the whole file tells, so it is converted once; tensors stay what they are."""
        return convert(self._whole.tensors)

    @cached_property
    def _stored(self) -> Mapping[int, str]:
        return {id(tensor): key for key, tensor in self._whole.tensors.items()}

    @cached_property
    def _grouped(self) -> Mapping[str, list[dict[str, str]]]:
        return group_keys(self._tensors).layers

    @cached_property
    def _configs(self) -> tuple[PeftConfig, ...]:
        return find_configs(self._whole, self._tensors, self._grouped)[0]

    def layers(self, names: Iterable[str]) -> Lora:
        """The named layers of the outline with their contents. The layer of a bias brings its weight's."""
        groups = [group for name in names for group in self._groups(name)]
        wanted = {key: self._tensors[key] for group in groups for key in group.values()}
        if self.header is not None:
            with TensorReader(self.header) as reader:
                wanted = {key: self._contents(tensor, reader) for key, tensor in wanted.items()}
        return read_lora(TensorFile(self.stamp, self.metadata, wanted), configs=self._configs)

    def keys(self, name: str) -> frozenset[str]:
        """The keys in the file of a layer's tensors; none where only the whole file tells them."""
        tensors = (self._tensors[key] for group in self._groups(name) for key in group.values())
        return frozenset(key for tensor in tensors if (key := self._stored.get(id(tensor))) is not None)

    def _groups(self, name: str) -> list[dict[str, str]]:
        name = whole_name(name)
        return self._grouped.get(name) or self._grouped[name.rpartition(".")[0]]

    def _contents(self, tensor: Tensor, reader: TensorReader) -> Tensor:
        key = self._stored.get(id(tensor))
        return tensor if key is None else reader.read(key)  # a conversion's own is all there


def _outline(header: Header) -> Mapping[str, Tensor]:
    path = header.stamp.path
    with reading(path), path.open("rb", buffering=0) as file:
        # A formula asks an outline what it would ask a tensor.
        return {key: cast("Tensor", _outlined(key, header, file)) for key in header.tensors}


def _outlined(key: str, header: Header, file: BinaryIO) -> Outline:
    """A tensor's outline, with its numbers where a formula may read them: alphas, flags and shapes."""
    info = header.tensors[key]
    if math.prod(info.shape) > MAX_DIMENSIONS:
        return Outline(info.shape, info.dtype)
    file.seek(header.data_offset + info.start)
    data = file.read(info.stop - info.start)
    if len(data) != info.stop - info.start:
        raise BrokenFile(header.stamp.path, "changed while it was being read", "Run again", key=key)
    return Outline(info.shape, info.dtype, numbers_in(data, info.dtype))
