"""A transformer's layers under diffusers' names: the tables of its family's record, for one model's keys.

Numbers of blocks come from the keys, widths of slices from the shapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

import torch

from ..families import Elements, NameTable, Shapes
from .key_map import Target

if TYPE_CHECKING:
    from torch import Tensor


def swap_halves(change: Tensor) -> Tensor:
    """Shift and scale in the other order: the two halves of the first dimension change places."""
    first, second = change.chunk(2, dim=0)
    return torch.cat([second, first], dim=0)


def diffusers_paths(table: NameTable, elements: Elements, shapes: Shapes) -> Iterator[tuple[str, Target]]:
    """Every diffusers path and what it stands for; `shapes` have the prefix 'diffusion_model.'.

    `elements` say how fused weights are cut.
    """
    for key, shape in shapes.items():
        module = module_of(key)
        if module is None:
            continue
        if module in table.outside:
            swap = swap_halves if module in table.swapped else None
            yield table.outside[module], Target(key, None, swap)
        block = _IN_BLOCK.fullmatch(module)
        if block is None:
            continue
        folder, number, rest = block.groups()
        if folder not in table.blocks or rest not in table.blocks[folder][1]:
            continue
        theirs, names = table.blocks[folder][0], table.blocks[folder][1][rest]
        if len(shape) < 2 and (rest in table.swapped or not isinstance(names, str)):
            continue  # packed: how it is cut, the host's own map alone can tell
        if isinstance(names, str):
            is_pair = rest in table.swapped and shape[0] == 2 * shape[1]
            swap = swap_halves if is_pair or rest in table.gated else None
            yield f"{theirs}.{number}.{names}", Target(key, None, swap)
            continue
        fused = elements.fused_in(module)
        lengths = fused.lengths(shape) if fused is not None else ()
        for name, start, length in _slices(names, lengths):
            yield f"{theirs}.{number}.{name}", Target(key, (0, start, length))


_IN_BLOCK = re.compile(r"(.+?)\.(\d+)\.(.+)")


def numbered_parts(elements: Elements, shapes: Shapes) -> Iterator[tuple[str, Target]]:
    """The parts of fused weights by their number, `qkv.0`, as OneTrainer writes them."""
    for key, shape in shapes.items():
        module = module_of(key)
        fused = elements.fused_in(module) if module is not None else None
        if fused is not None and fused.along == 0:
            start = 0
            for number, length in enumerate(fused.lengths(shape)):
                yield f"{module}.{number}", Target(key, (0, start, length))
                start += length


_MODULE = re.compile(r"diffusion_model\.(.+)\.(?:weight|scale)")  # RMS norms of Flux called theirs "scale"


def module_of(key: str) -> str | None:
    """The module a model's weight key belongs to, without the prefix; None for biases and bare tensors."""
    found = _MODULE.fullmatch(key)
    return found[1] if found else None


def _slices(names: tuple[str, ...], lengths: tuple[int, ...]) -> Iterator[tuple[str, int, int]]:
    """(name, start, length) of the parts that have a name; parts of one name in a row are one."""
    start = 0
    for name, parts in groupby(zip(names, lengths, strict=False), key=lambda part: part[0]):
        length = sum(size for _, size in parts)
        if name:
            yield name, start, length
        start += length
