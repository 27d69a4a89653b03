"""The scale PEFT keeps outside the tensors: adapter_config.json beside a file, or the metadata inside it.

PEFT and diffusers write no alpha tensors; without the config a layer's scale is taken to be 1, which is what
the host takes it for always.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import BadJson, BrokenFile
from ..untrusted import read_json, read_text, shown
from .peft_patterns import BadPattern, Patterns

CONFIG_NAME = "adapter_config.json"
METADATA_KEY = "lora_adapter_metadata"  # diffusers, one JSON object for all components

_BEFORE_THE_MODEL = re.compile(
    r"^(?:base_model\.model\.|diffusion_model\.|transformer\.|unet\.|text_encoder(?:_\d)?\.)+"
)
_MOST_COMPONENTS = 32  # of a pipeline; those known have five
_MOST_ALPHA = 3e38  # formulas are computed in float32
_REMEDY = "Correct the config, or remove it to use the LoRA at its plain scale"


@dataclass(frozen=True)
class PeftConfig:
    """One adapter's scales. `component` is the part of a pipeline it is for ("transformer"), or empty."""

    path: Path  # of the file the config is in
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
            return self._first(self._target_pattern, layer) is not None
        names = layer.split(".")
        return any(".".join(names[start:]) in self._target_names for start in range(len(names)))

    def rank_of(self, layer: str) -> int:
        """The rank the config gives a layer."""
        return self.ranks.get(self._first(self._rank_patterns, layer) or "", self.rank)

    def scale_of(self, layer: str) -> float:
        """alpha / rank, or alpha / √rank of a rank-stabilised one (PEFT tuners/lora/layer.py)."""
        pattern, rank = self._first(self._alpha_patterns, layer), self.rank_of(layer)
        alpha = self.alphas.get(pattern or "", self.alpha)
        return alpha / (math.sqrt(rank) if self.is_rank_stabilised else rank)

    def check(self) -> PeftConfig:
        """Raises BadPattern for a pattern that is not read here."""
        _ = self._rank_patterns, self._alpha_patterns, self._target_pattern
        return self

    @cached_property
    def _rank_patterns(self) -> Patterns:
        return Patterns(self.ranks)

    @cached_property
    def _alpha_patterns(self) -> Patterns:
        return Patterns(self.alphas)

    @cached_property
    def _target_pattern(self) -> Patterns:
        return Patterns([self.targets] if isinstance(self.targets, str) else [])

    @cached_property
    def _target_names(self) -> frozenset[str]:
        return frozenset(self.targets or ())

    def _first(self, patterns: Patterns, layer: str) -> str | None:
        """The first pattern the path of a layer ends in. One that begins with ^ means the path in the model,
        which a file's keys have behind the names of PEFT's wrappers and of the part of a pipeline.
        """
        try:
            return patterns.first_at(layer, _BEFORE_THE_MODEL.sub("", layer))
        except BadPattern as error:
            raise BrokenFile(self.path, str(error), _REMEDY) from None


def read_configs(path: Path, metadata: Mapping[str, str]) -> tuple[PeftConfig, ...]:
    """The configs that belong to a LoRA file: those in its header, else the one beside it.

    Raises BrokenFile for a config that cannot be read as one.
    """
    if METADATA_KEY in metadata:
        parsed = _parse(path, metadata[METADATA_KEY], METADATA_KEY)
        source, components = "its own metadata", _by_component(parsed)
        if len(components) > _MOST_COMPONENTS:
            problem = f"is about {len(components)} parts of a pipeline, at most {_MOST_COMPONENTS} are read"
            raise BrokenFile(path, problem, _REMEDY, key=METADATA_KEY)
        return tuple(
            config
            for component, values in components.items()
            if (config := _config(path, values, component, source)) is not None
        )
    beside = path.with_name(CONFIG_NAME)
    if not beside.is_file():
        return ()
    try:
        text = read_text(beside)
    except OSError as error:
        raise BrokenFile(beside, f"cannot be read ({error.strerror})", _REMEDY) from None
    except BadJson as error:
        raise BrokenFile(beside, error.problem, _REMEDY) from None
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
        parsed = read_json(text)
    except BadJson as error:
        raise BrokenFile(path, error.problem, _REMEDY, key=key) from None
    if not isinstance(parsed, dict):
        raise BrokenFile(path, "is not a JSON object", _REMEDY, key=key)
    return parsed


def _config(path: Path, values: Mapping[str, Any], component: str, source: str) -> PeftConfig | None:
    """A config from its JSON, or None where it is not about ranks at all."""
    alpha = values.get("lora_alpha", values.get("alpha"))
    if "r" not in values or alpha is None:
        return None
    ranks, alphas = values.get("rank_pattern") or {}, values.get("alpha_pattern") or {}
    try:
        config = PeftConfig(
            path,
            source,
            component,
            int(values["r"]),
            float(alpha),
            {str(k): int(v) for k, v in ranks.items()},
            {str(k): float(v) for k, v in alphas.items()},
            _flag(values.get("use_rslora")),
            _targets(values.get("target_modules")),
        ).check()
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        raise BrokenFile(path, f"has an invalid rank, alpha, pattern or flag ({error})", _REMEDY) from None
    numbers = (config.alpha, *config.alphas.values())
    are_numbers = all(abs(number) <= _MOST_ALPHA for number in numbers)
    if min((config.rank, *config.ranks.values())) < 1 or not are_numbers:
        raise BrokenFile(path, "has a rank below 1 or an alpha that is not a number", _REMEDY)
    return config


def _flag(value: Any) -> bool:
    if value is not None and not isinstance(value, bool):
        raise TypeError(f"{shown(value)} is neither true nor false")
    return bool(value)


def _targets(value: Any) -> tuple[str, ...] | str | None:
    if isinstance(value, str):
        return None if value == "all-linear" else value
    return tuple(map(str, value)) if value else None
