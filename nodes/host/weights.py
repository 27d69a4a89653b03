"""The weights of the host's models, to look at."""

from __future__ import annotations

from collections.abc import Callable

import comfy.model_patcher
import torch
from torch import Tensor

from ...lora_core.key_maps import Target
from .protocols import Patcher


def dtypes_of(patcher: Patcher) -> set[torch.dtype]:
    """The floating-point dtypes of a model's parameters."""
    return {own.dtype for own in patcher.model.parameters() if own.is_floating_point()}


def weights_of(patcher: Patcher) -> Callable[[Target], Tensor | None]:
    """How to see a weight of a loaded model as it is without patches, on the CPU.

    A quantised weight is seen as the numbers it stands for. None where only its packer knows them (NF4).
    """

    def weight(target: Target) -> Tensor | None:
        stored, _, to_numbers = comfy.model_patcher.get_key_weight(patcher.model, target.key)
        kept = patcher.backup.get(target.key)
        tensor = kept.weight if kept is not None else stored
        if to_numbers is not None:
            tensor = to_numbers(tensor, inplace=False)
        if type(tensor) not in (Tensor, torch.nn.Parameter) or not tensor.is_floating_point():
            return None
        if target.offset is not None:
            tensor = tensor.narrow(*target.offset)
        found: Tensor = tensor.detach().to("cpu", torch.float32)
        return found

    return weight
