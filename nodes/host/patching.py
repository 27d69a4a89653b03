"""Stacks handed to the host's model patcher."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import comfy.lora
import comfy.utils
from comfy.weight_adapter import WeightAdapterBase
from torch import Tensor

from ...lora_core.adapters import pack
from ...lora_core.errors import BrokenFile
from ...lora_core.key_map import KeyMap, Target
from ...lora_core.patch import Foreign, ForeignStep, Match, Step, fuse, match
from ...lora_core.stack import Entry
from ...lora_core.verdict import Verdict, report
from .files import CACHE, Loaded, load
from .fused_adapter import FusedAdapter
from .key_maps import clip_map, host_key, model_map, to_target


@dataclass(frozen=True)
class Applied:
    """What LoraRackApply gives back."""

    model: Any
    clip: Any
    report: str


def apply_stack(model: Any, clip: Any, entries: Sequence[Entry], require_effect: bool = True) -> Applied:
    """Patch clones of a model and of a text encoder (either may be None) with a stack.

    Files are read and judged before anything is patched, so an error leaves nothing half done. Raises
    UnresolvedLora, FileError, or with `require_effect` FitError for an entry that does not fit.
    """
    active = [entry for entry in entries if entry.is_active]
    model_names = model_map(model) if model is not None else None
    clip_names = clip_map(clip) if clip is not None else None
    verdicts = _judge(active, model_names, clip_names)
    for verdict in verdicts:
        verdict.require_lora()
        if require_effect:
            verdict.require_effect()
    if model_names is not None:
        model = _patched(model, model_names, [(v.entry.strength_model, v.model) for v in verdicts if v.model])
    if clip_names is not None:
        clip = _patched(clip, clip_names, [(v.entry.strength_clip, v.clip) for v in verdicts if v.clip])
    return Applied(model, clip, report(verdicts, CACHE.use))


def _patched(patcher: Any, key_map: KeyMap, found: Sequence[tuple[float, Match]]) -> Any:
    """A patched clone, or the patcher itself where nothing changes: the host need not load a clone then."""
    patches = _patches(key_map, found)
    if not patches:
        return patcher
    clone = patcher.clone()
    _add_patches(clone, patches)
    return clone


def _judge(entries: Sequence[Entry], model_names: KeyMap | None, clip_names: KeyMap | None) -> list[Verdict]:
    progress = comfy.utils.ProgressBar(len(entries))
    verdicts: list[Verdict] = []
    for entry in entries:
        loaded = load(entry)
        verdicts.append(Verdict(entry, loaded.lora, _match(loaded, model_names), _match(loaded, clip_names)))
        progress.update(1)
    return verdicts


def _match(loaded: Loaded, key_map: KeyMap | None) -> Match | None:
    if key_map is None:
        return None
    if key_map not in loaded.matches:
        loaded.matches[key_map] = match(loaded.lora, key_map, _adopt)
    return loaded.matches[key_map]


def _patches(key_map: KeyMap, found: Sequence[tuple[float, Match]]) -> dict[str, list[Step | ForeignStep]]:
    used = [(strength, matched) for strength, matched in found if strength != 0]
    matches = [matched for _, matched in used]
    key = (key_map, tuple(matched.lora.stamp for matched in matches))
    return CACHE.get(key, lambda: fuse(matches)).at([strength for strength, _ in used])


def _adopt(leftovers: Mapping[str, Tensor], key_map: KeyMap) -> dict[Target, Foreign]:
    """Patches of ComfyUI's own adapters, for what its loader knows and we do not."""
    names = {name: host_key(target) for name, target in key_map.targets.items()}
    try:
        values = comfy.lora.load_lora(dict(leftovers), names, log_missing=False)
    except KeyError as error:
        remedy = "Its format is one ComfyUI knows, but it is incomplete; train or save it again"
        raise BrokenFile("LoRA", f"has no {error} that ComfyUI asks for", remedy) from None
    return {to_target(key): Foreign(value, _keys_of(value, leftovers)) for key, value in values.items()}


def _keys_of(value: Any, leftovers: Mapping[str, Tensor]) -> frozenset[str]:
    if isinstance(value, WeightAdapterBase):
        return frozenset(value.loaded_keys)
    return frozenset(key for key, tensor in leftovers.items() if any(tensor is used for used in value[1]))


def _add_patches(patcher: Any, patches: Mapping[str, Sequence[Step | ForeignStep]]) -> None:
    """Hand patches to the host, keeping each weight's order; one call per place in the order and strength."""
    values = [list(_host_values(steps)) for steps in patches.values()]
    for place in range(max(map(len, values), default=0)):
        calls: dict[float, dict[Any, Any]] = {}
        for items in values:
            if place < len(items):
                strength, key, value = items[place]
                calls.setdefault(strength, {})[key] = value
        for strength, patch in calls.items():
            patcher.add_patches(patch, strength)


def _host_values(steps: Sequence[Step | ForeignStep]) -> Iterator[tuple[float, Any, Any]]:
    """The patches of one weight as the host takes them: strength, key, value; ours in a row as one."""
    for (target, is_ours), group in groupby(steps, key=lambda step: (step.target, isinstance(step, Step))):
        key = host_key(target)
        if is_ours:
            packed = ((step.strength, pack(step.adapter)) for step in group if isinstance(step, Step))
            yield 1.0, key, FusedAdapter(set(), (*packed, target.function is not None))
        else:
            for step in group:
                assert isinstance(step, ForeignStep)
                yield step.strength, key, step.adapter.patch
