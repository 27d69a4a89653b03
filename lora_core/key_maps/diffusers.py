"""A transformer's layers under diffusers' names: the tables of tables.py, read for one model's keys.

Numbers of blocks come from the keys, widths of slices from the shapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch
from torch import Tensor

from .families import Shapes
from .key_map import Target
from .tables import Table


def swap_halves(change: Tensor) -> Tensor:
    """Shift and scale in the other order: the two halves of the first dimension change places."""
    first, second = change.chunk(2, dim=0)
    return torch.cat([second, first], dim=0)


def diffusers_paths(table: Table, shapes: Shapes) -> Iterator[tuple[str, Target]]:
    """Every diffusers path and what it stands for; `shapes` have the prefix 'diffusion_model.'."""
    for key, shape in shapes.items():
        module = module_of(key)
        if module is None:
            continue
        if module in table.outside:
            swap = swap_halves if module in table.swapped else None
            yield table.outside[module], Target(key, None, swap)
        folder, _, rest = module.partition(".")
        number, _, rest = rest.partition(".")
        if folder not in table.blocks or rest not in table.blocks[folder][1]:
            continue
        theirs, names = table.blocks[folder][0], table.blocks[folder][1][rest]
        if len(shape) < 2 and (rest in table.swapped or not isinstance(names, str)):
            continue  # packed: how it is cut, the host's own map alone can tell
        if isinstance(names, str):
            swap = swap_halves if rest in table.swapped and shape[0] == 2 * shape[1] else None
            yield f"{theirs}.{number}.{names}", Target(key, None, swap)
            continue
        start = 0
        for name, length in zip(names, _lengths(shape, len(names)), strict=True):
            yield f"{theirs}.{number}.{name}", Target(key, (0, start, length))
            start += length


_MODULE = re.compile(r"diffusion_model\.(.+)\.(?:weight|scale)")  # RMS norms of Flux call theirs "scale"


def module_of(key: str) -> str | None:
    """The module a model's weight key belongs to, without the prefix; None for biases and bare tensors."""
    found = _MODULE.fullmatch(key)
    return found[1] if found else None


def _lengths(shape: tuple[int, ...], parts: int) -> tuple[int, ...]:
    """Rows of each part of a fused weight (out, in).

    Two parts are k and v, equal; three are q, k and v, where k and v may have fewer heads; four are q, k, v
    and the MLP's, which takes the rest. A query is as wide as the input in all of them.
    """
    rows, width = shape[0], shape[1]
    if parts == 2:
        return (rows // 2,) * 2
    if parts == 3:
        return (width, (rows - width) // 2, (rows - width) // 2)
    return (width, width, width, rows - 3 * width)
