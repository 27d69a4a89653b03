"""Signatures: of what the pack calls of the host, and of the methods of the objects the host hands to it."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .calls import host_calls

OBJECTS: Mapping[str, str] = {
    "patcher": "comfy.model_patcher.ModelPatcher",
    "clip": "comfy.sd.CLIP",
    "vae": "comfy.sd.VAE",
    "sampler": "comfy.samplers.KSAMPLER",
    "guider": "comfy.samplers.CFGGuider",
}
"""Objects the host hands to the pack → their class."""


MODULES = (
    "comfy.conds", "comfy.controlnet", "comfy.hooks", "comfy.k_diffusion.sampling", "comfy.lora",
    "comfy.model_management", "comfy.model_patcher", "comfy.nested_tensor", "comfy.ops",
    "comfy.patcher_extension", "comfy.sample", "comfy.sampler_helpers", "comfy.samplers", "comfy.sd",
    "comfy.utils", "comfy.weight_adapter", "execution", "folder_paths", "server",
)  # fmt: skip
"""Modules of the host whose public names are recorded, whether the pack mentions them yet or not."""


def record(nodes: Path) -> dict[str, Any]:
    """`names`: dotted name → its parameters, null for what cannot be called.

    `methods`: object → method → parameters. A parameter is [name, kind, has a default].
    Names are those of MODULES and what else the pack mentions; what the host does not have is left out.
    """
    names = {call.name for call in host_calls(nodes)}
    for module in MODULES:
        names |= {f"{module}.{name}" for name, value in _public(_find(module)) if not inspect.ismodule(value)}
    found = {name: _find(name) for name in sorted(names)}
    classes = {word: _find(path) for word, path in OBJECTS.items()}
    return {
        "names": {name: _parameters(value) for name, value in found.items() if value is not _ABSENT},
        "methods": {word: _methods(made) for word, made in classes.items() if made is not _ABSENT},
    }


_ABSENT = object()


def _public(module: Any) -> list[tuple[str, Any]]:
    values = vars(module).items() if inspect.ismodule(module) else ()
    return [(name, value) for name, value in values if not name.startswith("_")]


def _find(name: str) -> Any:
    """The longest part of the name that is a module, and the attributes after it."""
    parts = name.split(".")
    for border in range(len(parts), 0, -1):
        try:
            value: Any = importlib.import_module(".".join(parts[:border]))
        except ModuleNotFoundError:
            continue
        for part in parts[border:]:
            value = getattr(value, part, _ABSENT)
            if value is _ABSENT:
                return _ABSENT
        return value
    return _ABSENT


def _parameters(value: Any) -> list[list[Any]] | None:
    if not callable(value):
        return None
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return None
    return [[one.name, one.kind.name, one.default is not one.empty] for one in parameters]


def _methods(made: type) -> dict[str, Any]:
    functions = inspect.getmembers(made, inspect.isfunction)
    return {name: _parameters(method) for name, method in functions if not name.startswith("__")}
