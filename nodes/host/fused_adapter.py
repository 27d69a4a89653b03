"""Our patches in the shape of one of the host's adapters."""

from __future__ import annotations

from typing import Any

import torch
from comfy.weight_adapter import WeightAdapterBase
from torch import Tensor

from ...lora_core.adapters import Reorder, unpack


class FusedAdapter(WeightAdapterBase):  # type: ignore[misc]  # the host ships no types
    """All our steps of one weight, as one adapter of the host's.

    All state is in `weights`, one (strength, packed adapter) per step and at the end whether the target
    reorders changes: newer hosts rebuild adapters as `type(a)(a.loaded_keys, moved weights)`.
    """

    name = "lora_rack"

    def __init__(self, loaded_keys: set[str], weights: tuple[Any, ...]) -> None:
        self.loaded_keys = loaded_keys
        self.weights = weights

    def calculate_weight(
        self,
        weight: Tensor,
        key: str,
        strength: float,
        strength_model: float,
        offset: tuple[int, int, int] | None,
        function: Reorder,
        intermediate_dtype: torch.dtype = torch.float32,
        original_weight: Any = None,
    ) -> Tensor:
        """Take the steps in order; the host has applied `strength_model` and `offset` already."""
        *steps, has_function = self.weights
        # The host passes an identity where the target has no function; knowing better saves a temporary.
        reorder = function if has_function else None
        for step_strength, packed in steps:
            weight = unpack(packed).apply(weight, strength * step_strength, intermediate_dtype, reorder)
        return weight

    def calculate_shape(self, key: str) -> tuple[int, ...] | None:
        """The shape the weight will grow to, for newer hosts; None where it keeps its own."""
        shapes = [unpack(packed).grown_shape for _, packed in self.weights[:-1]]
        return next((shape for shape in reversed(shapes) if shape is not None), None)
