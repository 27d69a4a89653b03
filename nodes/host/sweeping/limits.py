"""How many strengths can be sampled at once: what the model is, and what memory allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import comfy.model_base
import comfy.model_management
import comfy.sampler_helpers
import comfy.samplers
import torch
from torch import Tensor

from ..protocols import Guider, Patcher
from .batch_mixers import why_mixed

# The host runs several conditionings in one call where 1.5 times its estimate is free (`_calc_cond_batch`).
_HEADROOM = 1.5
# AnimateDiff-Evolved's own mark on a model: its motion layers see the batch as the frames of one video.
_ANIMATEDIFF = "ADE_params"


def why_one_at_a_time(guider: Guider) -> str:
    """Why a model with all that is on it takes one strength at a time only; empty where it can take many."""
    patcher = guider.model_patcher
    if isinstance(patcher.model, comfy.model_base.SVD_img2vid):
        return f"{type(patcher.model).__name__} treats a batch as the frames of one video"
    attached = getattr(patcher, "get_attachment", lambda _: None)(_ANIMATEDIFF)
    if attached is not None:
        return "AnimateDiff treats a batch as the frames of one video"
    handler = guider.model_options.get("context_handler")
    if handler is not None and getattr(handler, "dim", 0) == 0:
        return "context windows treat the batch as the frames of one video"
    kind = type(guider)
    # A module of comfy_extras is called by its path where the host has loaded it as nodes.
    if kind.__module__ != comfy.samplers.__name__ and "comfy_extras" not in kind.__module__:
        return f"the guider {kind.__name__} is unknown to this pack"
    return why_mixed(guider)


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, as the host tells: newer ones know more than torch's class."""
    tell = getattr(comfy.model_management, "is_oom", None)
    # Where torch knows no accelerator the host's own class is Exception itself.
    return isinstance(error, torch.cuda.OutOfMemoryError) or bool(tell is not None and tell(error))


def groups_that_fit(guider: Guider, noise: Tensor, conds: Mapping[str, Any], size: int, groups: int) -> int:
    """How many groups of `size` rows fit into memory at once, by the host's own estimate; at least 1."""
    patcher = guider.model_patcher

    def needed(count: int) -> float:
        shape = [count * size, *noise.shape[1:]]
        _, least = comfy.sampler_helpers.estimate_memory(patcher, shape, conds)
        return float(least) * _HEADROOM

    room = _room(patcher, needed(1))
    fitting = groups
    while fitting > 1 and needed(fitting) > room:
        fitting -= 1
    return fitting


def _room(patcher: Patcher, least: float) -> float:
    """Bytes a sampling may take, once everything else the host has loaded is gone.

    With the whole model loaded where that leaves enough for one strength; otherwise the host loads a part
    of it and fetches the rest at every step, and half the memory is for the pictures. All of it where the
    host brings weights over on demand.
    """
    device: torch.device = patcher.load_device
    if getattr(patcher, "is_dynamic", lambda: False)():
        # Weights are brought over on demand, and the host itself would rather batch than keep them.
        return float(patcher.get_free_memory(device))
    free: float = float(comfy.model_management.get_free_memory(device))
    if comfy.model_management.is_device_cpu(device):
        return free
    loaded = comfy.model_management.current_loaded_models
    free += float(sum(model.model_loaded_memory() for model in loaded if model.device == device))
    beside_model = free - float(patcher.model_size())
    return beside_model if beside_model >= least else free / 2
