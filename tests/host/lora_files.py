"""LoRA files made for a test: seeded random factors under the names a trainer would write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

SUFFIXES = {"kohya": (".lora_up.weight", ".lora_down.weight"), "peft": (".lora_B.weight", ".lora_A.weight")}


class Numbers:
    """Random tensors as a trainer would store them, in half precision."""

    def __init__(self, seed: int = 0) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, *shape: int, size: float = 0.3) -> Tensor:
        return (torch.randn(shape, generator=self._generator) * size).half()


def low_rank_tensors(
    layers: Mapping[str, tuple[int, ...]],
    seed: int,
    rank: int = 8,
    alpha: float | None = 4.0,
    dtype: torch.dtype = torch.float16,
    suffixes: tuple[str, str] = SUFFIXES["kohya"],
) -> dict[str, Tensor]:
    """Factors for every layer name → shape of its weight, (out, in) or (out, in, kh, kw)."""
    generator = torch.Generator().manual_seed(seed)
    up_suffix, down_suffix = suffixes
    tensors: dict[str, Tensor] = {}
    for name, (out, *rest) in layers.items():
        ones = [1] * (len(rest) - 1)
        tensors[name + up_suffix] = torch.randn(out, rank, *ones, generator=generator).mul_(0.1).to(dtype)
        tensors[name + down_suffix] = torch.randn(rank, *rest, generator=generator).mul_(0.1).to(dtype)
        if alpha is not None:
            tensors[name + ".alpha"] = torch.tensor(alpha)
    return tensors


def save(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> Path:
    """Write a safetensors file, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in tensors.items()}, path, metadata=dict(metadata or {}))
    return path


def kohya_layers(
    shapes: Mapping[str, tuple[int, ...]], picked: Iterable[str], prefix: str
) -> dict[str, tuple[int, ...]]:
    """Kohya's layer names for the weights whose key contains one of `picked`.

    `shapes` maps model keys, without the part before the layer path, to weight shapes.
    """
    picked = tuple(picked)
    return {
        prefix + key.removesuffix(".weight").replace(".", "_"): shape
        for key, shape in shapes.items()
        if key.endswith(".weight") and len(shape) >= 2 and any(part in key for part in picked)
    }
