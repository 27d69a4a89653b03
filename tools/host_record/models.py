"""The host's model classes: weights with their shapes, and what the host calls them in LoRA files.

Built with no memory for weights, on the meta device, from models.json: what the host's detection reads out
of released checkpoints, with fewer blocks where only their number changes.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import comfy.lora
import comfy.model_detection
import comfy.supported_models
import torch
from comfy.ldm.audio.embedders import NumberConditioner

_UNEXPECTED = re.compile(r"unexpected keyword argument '(\w+)'")


Made = TypeVar("Made")


class NotOfThisHost(Exception):
    """The host has no such class."""


@cache
def configurations() -> Mapping[str, Mapping[str, Any]]:
    """Name → configuration; `like` names the entry the fields are added to, `reduced` what was left out.

    A name is that of a class in the host's supported_models.py; `__` sets off a variant of it.
    """
    entries = json.loads(Path(__file__).with_name("models.json").read_text(encoding="utf-8"))
    resolved: dict[str, dict[str, Any]] = {}
    while entries:
        for name in [name for name, entry in entries.items() if entry.get("like") not in entries]:
            entry = entries.pop(name)
            base = {key: value for key, value in resolved.get(entry.pop("like", ""), {}).items()}
            base.pop("reduced", None)
            resolved[name] = base | entry
    return resolved


def build(name: str) -> tuple[torch.nn.Module, dict[str, Any]]:
    """The host's model of an entry, and the configuration it was built from. Raises NotOfThisHost."""
    made = getattr(comfy.supported_models, name.partition("__")[0], None)
    if made is None:
        raise NotOfThisHost(name)
    wanted = {key: value for key, value in configurations()[name].items() if key != "reduced"}
    model, config = built_by(made, wanted)
    plain = configurations().get(name.partition("__")[0], wanted)
    if any(plain.get(key) != wanted[key] for key in wanted.keys() - config.keys()):
        raise NotOfThisHost(name)  # what makes it a variant is unknown here
    return model, config


def built_by(
    configure: Callable[[dict[str, Any]], Any], wanted: Mapping[str, Any]
) -> tuple[torch.nn.Module, dict[str, Any]]:
    """A model on the meta device, from what `configure` makes of the configuration, and this."""

    def built(**fields: Any) -> torch.nn.Module:
        config = configure(fields)
        config.unet_config["dtype"] = torch.float32
        return _on_meta(config, checkpoint_parts(fields))

    return with_known_fields(built, {key: _value(value) for key, value in wanted.items()})


def with_known_fields(make: Callable[..., Made], fields: Mapping[str, Any]) -> tuple[Made, dict[str, Any]]:
    """What `make` makes of the fields it knows, and these: networks of later hosts ask for more."""
    known = dict(fields)
    while True:
        try:
            return make(**known), known
        except TypeError as error:
            unknown = _UNEXPECTED.search(str(error))
            if unknown is None or known.pop(unknown[1], error) is error:
                raise


def _on_meta(config: Any, parts: dict[str, torch.Tensor]) -> torch.nn.Module:
    """The model without memory for its weights; with it where the constructor reads what it has just made."""
    with torch.no_grad():
        try:
            model: torch.nn.Module = config.get_model(parts, "", device="meta")
        except RuntimeError as error:
            if "meta tensor" not in str(error):
                raise
            model = config.get_model(parts, "", device="cpu")
    return model


def _value(value: Any) -> Any:
    """torch.float32 is written as text."""
    if isinstance(value, str) and value.startswith("torch."):
        return getattr(torch, value.removeprefix("torch."))
    return value


def checkpoint_parts(config: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Weights of other parts that constructors of models take from the file they are loaded from."""
    parts = {"cc_projection.weight": torch.zeros(768, 772), "cc_projection.bias": torch.zeros(768)}
    kind = {"fourier_features_type": config.get("timestep_features_type", "learned")}
    takes_kind = kind.keys() <= inspect.signature(NumberConditioner).parameters.keys()
    seconds = NumberConditioner(768, min_val=0, max_val=512, **(kind if takes_kind else {})).state_dict()
    parts["conditioner.conditioners.prompt.padding_embedding"] = torch.zeros(768)
    for part in ("seconds_start", "seconds_total"):
        parts |= {f"conditioner.conditioners.{part}.{key}": value for key, value in seconds.items()}
    return parts


def record(name: str) -> dict[str, Any]:
    """All that is kept of an entry. Raises NotOfThisHost."""
    model, config = build(name)
    network: Any = model.diffusion_model
    detected = comfy.model_detection.model_config_from_unet_config(dict(configurations()[name]), {})
    return {
        "class": name,
        "base_class": type(model).__name__,
        "network": f"{type(network).__module__}.{type(network).__qualname__}",
        "detected_as": type(detected).__name__ if detected is not None else None,
        "reduced": configurations()[name].get("reduced", ""),
        "unet_config": {**config, "dtype": torch.float32},
        "keys": shapes(model),
        "lora_names": lora_names(comfy.lora.model_lora_keys_unet(model, {})),
        "cannot_cast": [key for key, module in _owned(model) if not hasattr(module, "comfy_cast_weights")],
        "beside_children": beside_children(model),
        "buffers": [key for key, _ in model.named_buffers() if key in model.state_dict()],
    }


def shapes(module: torch.nn.Module) -> dict[str, list[int]]:
    return {key: list(value.shape) for key, value in module.state_dict().items()}


def lora_names(found: Mapping[str, Any]) -> dict[str, Any]:
    """Name → weight, or [weight, rows as (dimension, start, length) or null, function's name if any].

    All the host has, those that lead to no weight of the model among them.
    """
    names = {name: value if isinstance(value, str) else list(value) for name, value in found.items()}
    for value in names.values():
        if isinstance(value, list) and len(value) > 2:
            value[2] = value[2].__name__
    return names


def _owned(model: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Module]]:
    """Weights of modules without modules in them, with the module."""
    for path, module in model.named_modules():
        if next(module.children(), None) is None:
            own = (name for name, value in module._parameters.items() if value is not None)
            yield from ((f"{path}.{name}".lstrip("."), module) for name in own)


def beside_children(model: torch.nn.Module) -> list[str]:
    """Weights of modules with other modules in them: the host's loader does not list those."""
    found = []
    for path, module in model.named_modules():
        if next(module.children(), None) is not None:
            own = (name for name, value in module._parameters.items() if value is not None)
            found += [f"{path}.{name}".lstrip(".") for name in own]
    return found


def missing() -> list[str]:
    """Classes of the host that models.json does not know."""
    ours = {name.partition("__")[0] for name in configurations()}
    return [made.__name__ for made in comfy.supported_models.models if made.__name__ not in ours]
