"""A LoRA file a few layers at a time.

Which layers there are, of what shape and rank, is known from the header; the factors of a layer are read when
its weight's turn comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..adapters import MAX_DIMENSIONS
from .files import Header, Stamp, TensorFile, TensorInfo, is_pickle, read_file, read_header
from .key_names import group_keys
from .lora import Lora, find_configs, read_lora
from .stream import TensorReader
from .whole_file_names import convert


class PartialLora:
    """One LoRA file. `outline` is all of it, but its large tensors have no contents (they are on "meta")."""

    def __init__(self, path: Path) -> None:
        self.header: Header | None = None
        if is_pickle(Stamp.of(path).path):
            whole = read_file(path)
        else:
            self.header = read_header(path)
            whole = TensorFile(self.header.stamp, self.header.metadata, _outline(self.header))
        self.stamp, self.metadata = whole.stamp, whole.metadata
        # Some formats only the whole file tells, so it is converted once; tensors stay what they are.
        self._tensors = convert(whole.tensors)
        self._stored = {id(tensor): key for key, tensor in whole.tensors.items()}
        self._grouped = group_keys(self._tensors).layers
        self._configs, _ = find_configs(whole, self._tensors, self._grouped)
        self.outline = read_lora(whole)

    def layers(self, names: Iterable[str]) -> Lora:
        """The named layers of the outline with their contents. The layer of a bias brings its weight's."""
        groups = [group for name in names for group in self._groups(name)]
        wanted = {key: self._tensors[key] for group in groups for key in group.values()}
        if self.header is not None:
            with TensorReader(self.header) as reader:
                wanted = {key: self._contents(tensor, reader) for key, tensor in wanted.items()}
        return read_lora(TensorFile(self.stamp, self.metadata, wanted), configs=self._configs)

    def _groups(self, name: str) -> list[dict[str, str]]:
        return self._grouped.get(name) or self._grouped[name.removesuffix(".bias")]

    def _contents(self, tensor: Tensor, reader: TensorReader) -> Tensor:
        return reader.read(self._stored[id(tensor)]) if tensor.is_meta else tensor


def _outline(header: Header) -> Mapping[str, Tensor]:
    with TensorReader(header) as reader:
        return {
            key: reader.read(key)
            if _is_looked_at(info)
            else torch.empty(info.shape, dtype=info.dtype, device="meta")
            for key, info in header.tensors.items()
        }


def _is_looked_at(info: TensorInfo) -> bool:
    """Whether a formula may read the numbers while it is made: alphas, flags and shapes."""
    return torch.Size(info.shape).numel() <= MAX_DIMENSIONS
