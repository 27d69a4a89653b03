"""What the host's models call their layers."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any

import comfy.lora
import torch

from ...lora_core.key_maps import KeyMap, Target, model_names, text_encoder_names
from .protocols import Clip, Patcher, PatchKey
from .unlisted import is_unlisted

_KEY_MAPS: weakref.WeakKeyDictionary[torch.nn.Module, KeyMap] = weakref.WeakKeyDictionary()


def model_map(model: Patcher) -> KeyMap:
    """The layer names of a diffusion model's patcher."""
    return _key_map(model.model, comfy.lora.model_lora_keys_unet, model_names)


def clip_map(clip: Clip) -> KeyMap:
    """The layer names of a text encoder."""
    return _key_map(clip.cond_stage_model, comfy.lora.model_lora_keys_clip, text_encoder_names)


def _key_map(
    module: torch.nn.Module,
    host_names: Callable[..., Mapping[str, Any]],
    our_names: Callable[[Mapping[str, tuple[int, ...]]], Mapping[str, Target]],
) -> KeyMap:
    """The layer names of a model, the host's over ours, built once per loaded model: it takes a walk through
    the whole state dict.
    """
    known = _KEY_MAPS.get(module)
    if known is None:
        # A fresh dict always: the host's functions have a mutable default that remembers earlier models.
        names = {name: to_target(value) for name, value in host_names(module, {}).items()}
        # Packed weights (NF4 and the like) do not show the shape they stand for.
        state = {key: _in_use(module, key, stored) for key, stored in module.state_dict().items()}
        shapes = {k: tuple(t.shape) for k, t in state.items() if t.is_floating_point()}
        packed = {key: _shape_of(module, key) for key in state.keys() - shapes.keys()}
        ours = our_names({**shapes, **packed})
        unlisted = frozenset(key for key in state if is_unlisted(module, key))
        known = _KEY_MAPS[module] = KeyMap.of({**ours, **names}, shapes, packed, unlisted)
    return known


def _in_use(model: torch.nn.Module, key: str, stored: torch.Tensor) -> torch.Tensor:
    """The tensor a layer computes with. Hosts after 0.3.75 save a quantised one as the bytes it consists of,
    but let it show the shape and type it stands for, and write into it as into any other.
    """
    path, _, name = key.rpartition(".")
    try:
        own = model.get_submodule(path)._parameters.get(name)
    except AttributeError:
        return stored
    return own if own is not None and own.is_floating_point() else stored


def _shape_of(model: torch.nn.Module, key: str) -> tuple[int, ...]:
    """The shape a packed weight stands for, by its layer; () where that does not say."""
    path, _, name = key.rpartition(".")
    sizes = ("out_features", "in_features")
    try:
        layer = model.get_submodule(path)
        return tuple(int(getattr(layer, size)) for size in sizes) if name == "weight" else ()
    except AttributeError:
        return ()


def to_target(value: Any) -> Target:
    """A value of the host's key maps as ours."""
    return Target(value) if isinstance(value, str) else Target(*value)


def host_key(target: Target) -> PatchKey:
    """What the host's patcher takes for a target."""
    if target.function is not None:
        return (target.key, target.offset, target.function)
    return target.key if target.offset is None else (target.key, target.offset)
