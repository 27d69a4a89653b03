"""The host's text encoders: weights with their shapes, and what the host calls them in LoRA files."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import comfy.lora
import comfy.text_encoders
import torch

from .models import NotOfThisHost, lora_names, shapes

LAYERS_KEPT = 3
_NUMBER = re.compile(r"(?<=\.)\d+(?=\.)")


@cache
def entries() -> Mapping[str, Mapping[str, Any]]:
    """Name → where its class is, or the function that makes it and with what."""
    text = Path(__file__).with_name("encoders.json").read_text(encoding="utf-8")
    known: dict[str, dict[str, Any]] = json.loads(text)
    return known


def build(name: str) -> torch.nn.Module:
    """The host's text encoders of a family, on the meta device. Raises NotOfThisHost."""
    entry = entries()[name]
    made = _named(f"{entry['from']}.{entry.get('class') or entry['make']}")
    try:
        if "make" in entry:
            made = made(**{key: _value(value) for key, value in entry.get("with", {}).items()})
        with torch.device("meta"):
            built: torch.nn.Module = made(device="meta", dtype=torch.float32, model_options={})
    except NameError as error:
        # The host's functions choose a class by `model_type`, and have none for a type of a later host.
        raise NotOfThisHost(str(error)) from error
    return built


def _value(value: Any) -> Any:
    return _named(value) if isinstance(value, str) and value.startswith(("torch.", "comfy.")) else value


def _named(path: str) -> Any:
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise NotOfThisHost(path) from error


def record(name: str) -> dict[str, Any]:
    """All that is kept of an entry: the first layers, and how many there are. Raises NotOfThisHost."""
    encoder = build(name)
    keys = shapes(encoder)
    names = lora_names(comfy.lora.model_lora_keys_clip(encoder, {}))
    highest = _highest(keys)
    kept = {key: shape for key, shape in keys.items() if _is_kept(key)}
    return {
        "class": name,
        "kind": "text encoder",
        "network": f"{type(encoder).__module__}.{type(encoder).__name__}",
        "reduced": (
            f"keys and names with a number above {LAYERS_KEPT - 1} left out; highest numbers by path: "
            + json.dumps(highest)
        ),
        "layers": highest,
        "encoders": sorted({key.partition(".")[0] for key in keys}),
        "keys": kept,
        "lora_names": {
            name: value
            for name, value in names.items()
            if _is_kept(value if isinstance(value, str) else value[0])
        },
    }


def _is_kept(key: str) -> bool:
    return all(int(number) < LAYERS_KEPT for number in _NUMBER.findall(key))


def _highest(keys: Mapping[str, Any]) -> dict[str, int]:
    """Path up to the first number of a key → the highest number there, where layers were left out."""
    highest: dict[str, int] = {}
    for key in keys:
        first = _NUMBER.search(key)
        if first is not None:
            path = key[: first.start()]
            highest[path] = max(highest.get(path, 0), int(first[0]))
    return {path: number for path, number in highest.items() if number >= LAYERS_KEPT}


def missing() -> list[str]:
    """Modules of the host's text encoders that make one, and that encoders.json does not name."""
    known = {entry["from"] for entry in entries().values()}
    found = []
    for module in pkgutil.iter_modules(comfy.text_encoders.__path__, "comfy.text_encoders."):
        source = Path(module.module_finder.find_spec(module.name, None).origin)  # type: ignore[union-attr,arg-type]
        if module.name not in known and re.search(
            r"^def (te|\w+_te|(?!model_options)\w+_clip)\(", source.read_text("utf-8"), re.M
        ):
            found.append(module.name)
    return found
