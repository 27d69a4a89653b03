"""The scale PEFT keeps outside the tensors: adapter_config.json beside a file, or the metadata inside it.

PEFT and diffusers write no alpha tensors; without the config a layer's scale is taken to be 1, which is what
the host takes it for always.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BrokenFile

CONFIG_NAME = "adapter_config.json"
METADATA_KEY = "lora_adapter_metadata"  # diffusers, one JSON object for all components

_BEFORE_THE_MODEL = re.compile(
    r"^(?:base_model\.model\.|diffusion_model\.|transformer\.|unet\.|text_encoder(?:_\d)?\.)+"
)
_REMEDY = "Correct it, or take it away to use the LoRA at its plain scale"


@dataclass(frozen=True)
class PeftConfig:
    """One adapter's scales. `component` is the part of a pipeline it is for ("transformer"), or empty."""

    source: str
    component: str
    rank: int
    alpha: float
    ranks: Mapping[str, int]  # of the modules whose path ends in the pattern
    alphas: Mapping[str, float]
    is_rank_stabilised: bool
    targets: (
        tuple[str, ...] | str | None
    )  # ends of module paths, or an expression for whole ones; None is all

    def covers(self, layer: str) -> bool:
        """Whether a layer of the file is of this config's component."""
        return not self.component or layer.startswith(f"{self.component}.")

    def targets_layer(self, layer: str) -> bool:
        """Whether the config asked for the layer to be trained (PEFT tuners/tuners_utils.py)."""
        if self.targets is None:
            return True
        if isinstance(self.targets, str):
            return _matches(self.targets, layer)
        return any(f".{layer}".endswith(f".{target}") for target in self.targets)

    def rank_of(self, layer: str) -> int:
        """The rank the config gives a layer."""
        return self.ranks.get(_pattern(self.ranks, layer) or "", self.rank)

    def scale_of(self, layer: str) -> float:
        """alpha / rank, or alpha / √rank of a rank-stabilised one (PEFT tuners/lora/layer.py)."""
        alpha, rank = self.alphas.get(_pattern(self.alphas, layer) or "", self.alpha), self.rank_of(layer)
        return alpha / (math.sqrt(rank) if self.is_rank_stabilised else rank)


def read_configs(path: Path, metadata: Mapping[str, str]) -> tuple[PeftConfig, ...]:
    """The configs that belong to a LoRA file: those in its header, else the one beside it.

    Raises BrokenFile for a config that cannot be read as one.
    """
    if METADATA_KEY in metadata:
        parsed = _parse(path, metadata[METADATA_KEY], METADATA_KEY)
        source = "its own metadata"
        return tuple(
            config
            for component, values in _by_component(parsed).items()
            if (config := _config(path, values, component, source)) is not None
        )
    beside = path.with_name(CONFIG_NAME)
    if not beside.is_file():
        return ()
    try:
        text = beside.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BrokenFile(beside, f"cannot be read ({error})", _REMEDY) from None
    config = _config(beside, _parse(beside, text, None), "", f"{CONFIG_NAME} beside it")
    return () if config is None else (config,)


def config_for(configs: Iterable[PeftConfig], layer: str) -> PeftConfig | None:
    """The config of a layer; a file of one component may leave its name out of the keys."""
    configs = tuple(configs)
    for config in configs:
        if config.covers(layer):
            return config
    return configs[0] if len(configs) == 1 else None


def _by_component(parsed: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """`transformer.r` and its like, sorted by what stands before the first dot."""
    components: dict[str, dict[str, Any]] = {}
    for key, value in parsed.items():
        if isinstance(value, dict) and "r" in value:
            components[key] = value
            continue
        component, dot, name = key.partition(".")
        components.setdefault(component if dot else "", {})[name if dot else key] = value
    return components


def _parse(path: Path, text: str, key: str | None) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BrokenFile(path, f"is not JSON ({error})", _REMEDY, key=key) from None
    if not isinstance(parsed, dict):
        raise BrokenFile(path, "is no JSON object", _REMEDY, key=key)
    return parsed


def _config(path: Path, values: Mapping[str, Any], component: str, source: str) -> PeftConfig | None:
    """A config from its JSON, or None where it is not about ranks at all."""
    alpha = values.get("lora_alpha", values.get("alpha"))
    if "r" not in values or alpha is None:
        return None
    ranks, alphas = values.get("rank_pattern") or {}, values.get("alpha_pattern") or {}
    try:
        config = PeftConfig(
            source,
            component,
            int(values["r"]),
            float(alpha),
            {str(k): int(v) for k, v in ranks.items()},
            {str(k): float(v) for k, v in alphas.items()},
            _flag(values.get("use_rslora")),
            _targets(values.get("target_modules")),
        )
        whole = [config.targets] if isinstance(config.targets, str) else []
        for pattern in (*config.ranks, *config.alphas, *whole):
            re.compile(pattern)
    except (TypeError, ValueError, OverflowError, AttributeError, re.error) as error:
        raise BrokenFile(
            path, f"has a rank, alpha, pattern or flag that is none ({error})", _REMEDY
        ) from None
    numbers = (config.alpha, *config.alphas.values())
    if min((config.rank, *config.ranks.values())) < 1 or not all(map(math.isfinite, numbers)):
        raise BrokenFile(path, "has a rank below 1 or an alpha that is no number", _REMEDY)
    return config


def _flag(value: Any) -> bool:
    if value is not None and not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false")
    return bool(value)


def _targets(value: Any) -> tuple[str, ...] | str | None:
    if isinstance(value, str):
        return None if value == "all-linear" else value
    return tuple(map(str, value)) if value else None


def _pattern(patterns: Iterable[str], layer: str) -> str | None:
    """The first pattern a layer's path ends in (PEFT utils/other.py `get_pattern_key`)."""
    return next((pattern for pattern in patterns if _matches(pattern, layer)), None)


def _matches(pattern: str, layer: str) -> bool:
    """Whether a layer's path ends in a pattern. One that begins with ^ means the path in the model, which a
    file's keys have behind the names of PEFT's wrappers and of the part of a pipeline.
    """
    paths = (layer, _BEFORE_THE_MODEL.sub("", layer))
    return any(re.match(rf"(.*\.)?({pattern})$", path) for path in paths)
