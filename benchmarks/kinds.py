"""Files of kinds other than plain LoRA for the benchmarks, as LyCORIS writes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import lora_files
from torch import Tensor

Layers = Mapping[str, tuple[int, ...]]


def lora(layers: Layers, seed: int, rank: int) -> dict[str, Tensor]:
    """Plain factors."""
    return lora_files.low_rank_tensors(layers, seed, rank)


def loha(layers: Layers, seed: int, rank: int) -> dict[str, Tensor]:
    """Two products of factors."""
    numbers, tensors = lora_files.Numbers(seed), dict[str, Tensor]()
    for name, (out, *rest) in layers.items():
        for half in ("w1", "w2"):
            tensors[f"{name}.hada_{half}_a"] = numbers(out, rank, size=0.1)
            tensors[f"{name}.hada_{half}_b"] = numbers(rank, math.prod(rest), size=0.1)
    return tensors


def lokr(layers: Layers, seed: int, rank: int) -> dict[str, Tensor]:
    """A small matrix and a large one, factor 8 and whole: LyCORIS's usual setting, which has no rank."""
    numbers, tensors = lora_files.Numbers(seed), dict[str, Tensor]()
    for name, (out, inputs, *kernel) in layers.items():
        tensors[f"{name}.lokr_w1"] = numbers(8, 8, size=0.1)
        tensors[f"{name}.lokr_w2"] = numbers(out // 8, inputs // 8, *kernel, size=0.1)
    return tensors


def dora(layers: Layers, seed: int, rank: int) -> dict[str, Tensor]:
    """Plain factors and the length of every input's column."""
    numbers, tensors = lora_files.Numbers(seed), lora(layers, seed, rank)
    for name, (_, inputs, *kernel) in layers.items():
        tensors[f"{name}.dora_scale"] = numbers(1, inputs, *[1] * len(kernel)).abs() + 0.5
    return tensors


Kind = Callable[[Layers, int, int], dict[str, Tensor]]
PLAIN: tuple[Kind, ...] = (lora,) * 8
MIXED: tuple[Kind, ...] = (lora, loha, lora, lokr, lora, dora, lora, lora)
