"""One weight's part of a saved file: its change under the names of its layers, in the dtype of the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

import torch
from torch import Tensor

from ..changes import WeightChange
from ..errors import CannotSave
from ..key_maps import Target
from .naming import NamedLayer

DTYPES: Mapping[str, torch.dtype] = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
    "fp8": torch.float8_e4m3fn,
}


@dataclass(frozen=True, eq=False)
class SavedWeight:
    """What is written for one weight: its layers' tensors by key, and what was lost of ‖ΔW‖²."""

    block: str
    tensors: Mapping[str, Tensor]
    rank: int
    energy: float
    lost: float


def save_weight(
    block: str,
    layers: Sequence[NamedLayer],
    change: WeightChange,
    dtype: torch.dtype,
    energy: float = 0.0,
    lost: float = 0.0,
) -> SavedWeight:
    """What is written for one weight. Raises CannotSave for numbers the dtype does not hold."""
    tensors: dict[str, Tensor] = {}
    for layer in layers:
        tensors |= _tensors(layer.name, _part_of(change, layer.target), dtype)
    return SavedWeight(block, tensors, change.rank, energy, lost)


def _part_of(change: WeightChange, target: Target) -> WeightChange:
    """The rows of a change that a layer stands for, as the layer has them."""
    up, difference = change.up, change.difference
    if target.function is not None:  # its own inverse
        up = target.function(up)
        difference = None if difference is None else target.function(difference)
    if target.offset is None:
        return WeightChange(change.shape, up, change.down, difference)
    _, start, length = target.offset
    rows = slice(start, start + length)
    part = None if difference is None else difference[rows]
    return WeightChange((length, *change.shape[1:]), up[rows], change.down, part)


def _tensors(name: str, change: WeightChange, dtype: torch.dtype) -> dict[str, Tensor]:
    """One layer's tensors: factors, a difference, or both where a stack has both."""
    found: dict[str, Tensor] = {}
    stem = name.removesuffix(".bias")
    if change.rank:
        kernel = change.shape[2:]
        up = change.up.reshape(*change.up.shape, *[1] * len(kernel))
        down = change.down.reshape(change.rank, *change.shape[1:])
        first, last = ("lora_up", "lora_down") if "." not in stem else ("lora_B", "lora_A")
        found[f"{stem}.{first}.weight"] = _rounded(up, dtype)
        found[f"{stem}.{last}.weight"] = _rounded(down, dtype)
        found[f"{stem}.alpha"] = torch.tensor(float(change.rank), dtype=torch.float32)
    if change.difference is not None:
        ending = "diff_b" if stem != name else "diff"
        found[f"{stem}.{ending}"] = _rounded(change.difference, dtype)
    return found


def _rounded(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    low, high = (float(end) for end in tensor.aminmax()) if tensor.numel() else (0.0, 0.0)
    if not isfinite(low) or not isfinite(high):
        raise CannotSave("the stack makes numbers that are not finite. One of its LoRAs is broken")
    largest = torch.finfo(dtype).max
    if max(-low, high) > largest:
        raise CannotSave(
            f"a number of the stack is beyond {largest:g}, the largest of {dtype}. Choose another dtype"
        )
    return tensor.to(dtype).contiguous()
