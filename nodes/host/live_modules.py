"""The host's modules as a live stack needs to know them."""

from __future__ import annotations

from typing import Any

import comfy.lora
import comfy.model_patcher
import comfy.ops
import torch
from torch import Tensor, nn

from ...lora_core.applying import Foreign
from ...lora_core.families import row_layouts
from ...lora_core.key_maps import Target
from ...lora_core.live import PlainTorch, Rows
from .protocols import Patcher


class HostModules(PlainTorch):
    """Modules whose weights the host casts, dequantises or patches on every forward."""

    def linear_shape(self, module: Any) -> tuple[int, int] | None:
        # The host's quantised layers are no nn.Linear, but work and are described like one.
        is_hosts = type(module).__module__ == comfy.ops.__name__ and type(module).__name__ == "Linear"
        return (module.out_features, module.in_features) if is_hosts else super().linear_shape(module)

    def weights(self, module: nn.Module, names: frozenset[str], device: torch.device) -> dict[str, Tensor]:
        cast = names & {"weight", "bias"} if hasattr(module, "weight_function") else frozenset()
        found = super().weights(module, names - cast, device)
        if cast:
            weight, bias = _cast(module, device)
            both = {"weight": weight, "bias": bias}
            found |= {name: both[name].detach() for name in cast}
        return found

    def replacements(self, module: nn.Module, parameters: Any) -> dict[str, Any]:
        changed = super().replacements(module, parameters)
        if hasattr(module, "weight_function"):
            # The new parameters are final: nothing is to be cast, scaled or patched again.
            changed |= {"comfy_cast_weights": False, "weight_function": [], "bias_function": []}
        if hasattr(module, "_full_precision_mm"):
            changed["_full_precision_mm"] = True
        return changed

    def apply_foreign(self, foreign: Foreign, target: Target, weight: Tensor, strength: float) -> Tensor:
        patch = (strength, foreign.patch, 1.0, target.offset, target.function)
        changed: Tensor = comfy.lora.calculate_weight([patch], weight, target.key)
        return changed


def _cast(module: Any, device: torch.device) -> tuple[Tensor, Tensor]:
    """Weight and bias as one of the host's operations would use them, in float32."""
    options = {"dtype": torch.float32, "bias_dtype": torch.float32, "device": device}
    # ComfyUI-GGUF's layers have a method of this name that unpacks.
    own = getattr(module, "cast_bias_weight", None)
    weight, bias = own(**options) if own else _lent(module, options)
    if hasattr(module, "convert_weight"):  # a scale kept apart
        weight = module.convert_weight(weight, inplace=False)
    return weight, bias


def _lent(module: Any, options: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """The host's own cast, and its room for it given back: it lends the same to the layers to come."""
    weight, bias, loan = comfy.ops.cast_bias_weight(module, **options, offloadable=True)
    try:
        return _kept(weight, module.weight), _kept(bias, module.bias)
    finally:
        comfy.ops.uncast_bias_weight(module, weight, bias, loan)


def _kept(cast: Any, own: Any) -> Any:
    """A copy of what is lent; what is the module's own needs none."""
    is_own = cast is None or (type(own) is nn.Parameter and cast.data_ptr() == own.data_ptr())
    return cast if is_own else cast.clone()


def can_be_live(model: nn.Module, key: str) -> bool:
    """Whether a parameter is one that a module without children applies in its own forward."""
    path, _, name = key.rpartition(".")
    try:
        module = model.get_submodule(path)
    except AttributeError:
        return False
    is_leaf = not list(module.children()) and name in module._parameters
    # torch's attention reads the weights of its last layer and never calls it.
    is_called = not isinstance(module, nn.modules.linear.NonDynamicallyQuantizableLinear)
    has_forward = type(module).forward is not nn.Module.forward
    return is_leaf and is_called and has_forward and path.rpartition(".")[2] not in _READ_ELSEWHERE


def merges_packed(patcher: Patcher) -> bool:
    """Whether a patcher writes into packed weights in a way of its own, as ComfyUI-GGUF's does."""
    hosts = comfy.model_patcher.ModelPatcher.patch_weight_to_device
    return type(patcher).patch_weight_to_device is not hosts


# Modules whose weights the host's code reads without calling them (comfy/ldm/wan/model.py).
_READ_ELSEWHERE = frozenset({"trainable_cond_mask"})


def rows_of(path: str) -> Rows:
    """How the rows of a module's input belong to the pictures of a batch."""
    for rows, patterns in row_layouts().items():
        if any(pattern.search(path) for pattern in patterns):
            return rows
    return "apart"
