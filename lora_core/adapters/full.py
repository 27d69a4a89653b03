"""Whole tensors instead of factors: a stored difference, a stored value, and a weight made larger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from .adapter import Adapter, AdapterKind, inputs_of
from .change import Reorder, add_change, energy, to_weight
from .roles import BadTensors, Roles, matrix_shape, read_scale, used

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Difference(Adapter):
    """ΔW = scale · the stored tensor: `diff`, `w_norm`, and for a bias `diff_b`, `b_norm`, `lora_B.bias`."""

    kind: ClassVar[str] = "full difference"

    difference: Tensor  # shaped like the weight
    scale: float = 1.0

    @property
    def change_shape(self) -> tuple[int, int]:
        return matrix_shape(self.difference.shape)

    def fits(self, shape: tuple[int, ...]) -> bool:
        return matrix_shape(shape) == self.change_shape

    def apply(
        self, weight: Tensor, strength: float, dtype: torch.dtype, reorder: Reorder | None = None
    ) -> Tensor:
        """Add strength · scale · difference to `weight` in place."""
        difference = to_weight(self.difference, weight, dtype)
        if reorder is None and weight.dtype == dtype:
            return weight.add_(difference.view(weight.shape), alpha=strength * self.scale)
        return add_change(weight, difference, strength * self.scale, reorder)

    def energy(self, dtype: torch.dtype) -> float:
        return self.scale**2 * energy(self.difference.to(dtype))

    def change_rows(self, rows: Tensor, dtype: torch.dtype) -> Tensor:
        return self.difference.reshape(self.change_shape)[rows].to(dtype) * self.scale


@dataclass(frozen=True, eq=False)
class SetWeight(Adapter):
    """W' = the stored tensor, at any strength but 0."""

    kind: ClassVar[str] = "set weight"
    needs_weight: ClassVar[bool] = True
    unlike_host: ClassVar[str] = (
        "set at every strength except 0, which switches them off; ComfyUI sets them at 0 too"
    )

    value: Tensor

    @property
    def change_shape(self) -> tuple[int, int]:
        return matrix_shape(self.value.shape)

    def fits(self, shape: tuple[int, ...]) -> bool:
        return matrix_shape(shape) == self.change_shape

    def apply(
        self, weight: Tensor, strength: float, dtype: torch.dtype, reorder: Reorder | None = None
    ) -> Tensor:
        """Overwrite `weight` in place."""
        value = self.value.to(weight.device, non_blocking=True).view(weight.shape)
        return weight.copy_(value if reorder is None else reorder(value))


def difference_from_roles(tensors: Roles) -> tuple[Difference, set[str]] | None:
    """The stored difference of a layer and the role it used, or None."""
    for role in ("diff", "w_norm"):
        if role in tensors:
            return Difference(tensors[role]), used(tensors, role)
    return None


def value_from_roles(tensors: Roles) -> tuple[SetWeight, set[str]] | None:
    """The stored value of a layer and the role it used, or None."""
    if "set_weight" not in tensors:
        return None
    return SetWeight(tensors["set_weight"]), {"set_weight"}


def beside_from_roles(tensors: Roles) -> dict[str, list[Adapter]]:
    """What a layer adds to its bias, and to its `modulation`, as Wan's distilled LoRAs do."""
    biases: list[Adapter] = [Difference(tensors[role]) for role in ("diff_b", "b_norm") if role in tensors]
    if "up_bias" in tensors:
        # PEFT adds lora_B's bias with the layer's scale (tuners/lora/layer.py `Linear.merge`).
        if "down" not in tensors:
            raise BadTensors("up_bias", "has no 'up' and 'down' beside it")
        biases.append(Difference(tensors["up_bias"], read_scale(tensors, tensors["down"].shape[0])))
    modulation: list[Adapter] = [Difference(tensors["diff_m"])] if "diff_m" in tensors else []
    return {"bias": biases, "modulation": modulation}


VALUE = AdapterKind(value_from_roles, (SetWeight,), suffixes={".set_weight": "set_weight"})
KIND = AdapterKind(
    difference_from_roles,
    (Difference,),
    suffixes={f".{role}": role for role in ("diff", "w_norm", "diff_b", "b_norm", "diff_m")},
    input_width=inputs_of("diff"),
    beside_from_roles=beside_from_roles,
    beside_roles=frozenset({"diff_b", "b_norm", "up_bias", "diff_m"}),
)
