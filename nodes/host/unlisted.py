"""Weights that take patches and that the host's load leaves as they are, written after it.

The host goes through modules without children (comfy/model_patcher.py `_load_list`, 0.3.75). What a module
owns beside its children is never written, nor is a buffer: Wan's modulations, tables of scales and shifts,
position embeddings, class tokens. Nor is what a module that cannot cast its weights owns, while memory keeps
it off the device; and never where the host loads weights on demand (0.16 and later, `ModelPatcherDynamic`),
which keeps a backup of such a weight and moves it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import comfy.patcher_extension
import comfy.utils
import torch
from torch import nn

from .protocols import Patcher

_KEY = "lora_rack_unlisted"
_ON_LOAD = comfy.patcher_extension.CallbacksMP.ON_LOAD


def is_unlisted(model: nn.Module, key: str) -> bool:
    """Whether the host's load leaves a weight out, however much memory there is."""
    return _is_left_out(*_owner(model, key))


def write_after_load(patcher: Patcher, patches: Iterable[tuple[str, Any]]) -> None:
    """Have the host's every load of `patcher` followed by what it leaves of these patches (key, value).

    The patches have been added to it. Those of other nodes for the same weight stay the host's affair.
    """
    left: defaultdict[str, list[Any]] = defaultdict(list)
    for key, value in patches:
        module, name = _owner(patcher.model, key)
        if _is_left_out(module, name) or _is_uncast(module, name):
            left[key].append(value)
    if not left:
        return
    for earlier in patcher.get_callbacks(_ON_LOAD, _KEY):
        for key, values in earlier.patches.items():
            left[key] = [*values, *left[key]]
    patcher.remove_callbacks_with_key(_ON_LOAD, _KEY)
    patcher.add_callback_with_key(_ON_LOAD, _KEY, _Writer({key: tuple(v) for key, v in left.items()}))


@dataclass(frozen=True, eq=False)
class _Writer:
    """The host's ON_LOAD callback; one per patcher, handed on to its clones."""

    patches: Mapping[str, tuple[Any, ...]]

    def __call__(self, patcher: Patcher, *_load: Any) -> None:
        for key, ours in self.patches.items():
            if _is_written(patcher, key):
                continue
            if is_unlisted(patcher.model, key):
                _write(patcher, key, ours)
            else:
                _write_module(patcher, key)


def _is_written(patcher: Patcher, key: str) -> bool:
    """Whether a weight is patched already: it has a backup, and other numbers than that.

    The host restores and drops backups before it writes anew.
    """
    kept = patcher.backup.get(key)
    if kept is None:
        return False
    weight = comfy.utils.get_attr(patcher.model, key)
    return not torch.equal(weight, kept.weight.to(weight))


def _write(patcher: Patcher, key: str, ours: tuple[Any, ...]) -> None:
    """Write our patches of a weight the way the host writes, where the weight is."""
    every = patcher.patches.get(key, [])
    patches = [patch for patch in every if any(patch[1] is value for value in ours)]
    if not patches:
        return
    module, name = _owner(patcher.model, key)
    is_buffer = name in module._buffers
    if is_buffer:
        # Written in place, as the host would turn it into a parameter; its memory may be that of a file.
        module._buffers[name] = module._buffers[name].clone()
    patcher.patches[key] = patches
    try:
        patcher.patch_weight_to_device(key, inplace_update=is_buffer)
    finally:
        patcher.patches[key] = every
    if key in getattr(patcher, "backup_buffers", ()):
        # Hosts after 0.3.75 that load on demand put buffers back themselves, and as parameters from here.
        del patcher.backup[key]


def _write_module(patcher: Patcher, key: str) -> None:
    """Write all of a module the host has moved, or has yet to put onto the device, as it would do then."""
    path, _, _ = key.rpartition(".")
    module: Any = patcher.model.get_submodule(path)
    is_moved = key in patcher.backup
    for name in module._parameters:
        patcher.patch_weight_to_device(f"{path}.{name}")
    if not is_moved:
        # The host's own mark: it moves the module later without patching it again.
        module.comfy_patched_weights = True


def _is_left_out(module: nn.Module | None, name: str) -> bool:
    if module is None:
        return False
    own = module._parameters
    beside_others = name in own and any(other not in own for other, _ in module.named_parameters())
    return beside_others or name in module._buffers


def _is_uncast(module: nn.Module | None, name: str) -> bool:
    return module is not None and name in module._parameters and not hasattr(module, "comfy_cast_weights")


def _owner(model: nn.Module, key: str) -> tuple[Any, str]:
    path, _, name = key.rpartition(".")
    try:
        return model.get_submodule(path), name
    except AttributeError:
        return None, name  # a packed weight's numbers, kept under its name as if it were a module
