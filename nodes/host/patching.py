"""Stacks handed to the host's model patcher."""

from __future__ import annotations

import weakref
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

import comfy.lora
import comfy.utils
import torch
from comfy.weight_adapter import WeightAdapterBase
from torch import Tensor

from ...lora_core.adapters import pack
from ...lora_core.applying import (
    Foreign,
    ForeignStep,
    Match,
    Step,
    Verdict,
    Way,
    blocks_in,
    choose_ways,
    fuse,
    is_safe,
    match,
    report,
    require_blocks,
    require_numbers,
    settle,
    weights_in,
)
from ...lora_core.blocks import BlockWeights, Weight
from ...lora_core.errors import BrokenFile
from ...lora_core.key_maps import KeyMap, Target
from ...lora_core.live import Plan, timed
from ...lora_core.stack import Entry
from .files import CACHE, Loaded, load
from .fused_adapter import FusedAdapter
from .key_maps import clip_map, host_key, model_map, to_target
from .live import live_model
from .live_modules import can_be_live, merges_packed
from .protocols import Clip, Patcher, PatchKey
from .unlisted import write_after_load
from .weights import dtypes_of, weights_of

P = TypeVar("P", Patcher, Clip)


@dataclass(frozen=True)
class Applied:
    """What LoraRackApply gives back."""

    model: Patcher | None
    clip: Clip | None
    report: str
    verdicts: tuple[Verdict, ...] = ()


@dataclass(frozen=True)
class _Use:
    """An entry's part in one model."""

    strength: float
    blocks: BlockWeights
    found: Match
    only: frozenset[str] | None = None  # the model keys to change, None for all

    def weights(self, key_map: KeyMap) -> Mapping[str, Weight] | None:
        """The block weights by model key, None where all are 1."""
        by_key = weights_in(self.blocks, key_map)
        if self.only is None:
            return by_key
        kept: dict[str, Weight] = {key: 1.0 if by_key is None else by_key[key] for key in self.only}
        return defaultdict(float, kept)


def apply_stack(
    model: Patcher | None,
    clip: Clip | None,
    entries: Sequence[Entry],
    require_effect: bool = True,
    mode: str = "auto",
) -> Applied:
    """Patch clones of a model and of a text encoder (either may be None) with a stack.

    `mode` says how the model is changed: merged into its weights, live in the forward pass, or auto, merged
    but for what merging cannot do. A text encoder is always merged. Files are read and judged before anything
    is patched, so an error leaves nothing half done. Raises UnresolvedLora, FileError, BadBlockText, BadMode,
    NotLive, Overflows, or with `require_effect` FitError for an entry that does not fit.
    """
    active = [entry for entry in entries if entry.is_active]
    model_names = model_map(model) if model is not None else None
    clip_names = clip_map(clip) if clip is not None else None
    verdicts = _judge(active, model_names, clip_names)
    for verdict in verdicts:
        verdict.require_lora()
        if require_effect:
            verdict.require_effect()
    if model is not None and model_names is not None:
        require_blocks(active, model_names)
        used = [(place, v) for place, v in enumerate(verdicts) if v.model and v.entry.strength_model]
        require_held(model, model_names, [v for _, v in used])
        ways = _ways(mode, model, model_names, [v for _, v in used])
        model = _changed(model, model_names, [v for _, v in used], ways)
        for (place, verdict), way in zip(used, ways, strict=True):
            verdicts[place] = replace(verdict, way=str(way))
        model = with_metadata(model, verdicts)
    if clip is not None and clip_names is not None:
        uses = [_Use(v.entry.strength_clip, v.entry.blocks, v.clip) for v in verdicts if v.clip]
        _require_held(clip.patcher, clip_names, uses, verdicts)
        patched = _patched(clip, clip_names, uses)
        if patched is not clip:
            _set_metadata(patched.patcher, verdicts)
        clip = patched
    return Applied(model, clip, report(verdicts, CACHE.use, entries), tuple(verdicts))


def _ways(mode: str, model: Patcher, key_map: KeyMap, verdicts: Sequence[Verdict]) -> list[Way]:
    stack = [(v.entry, v.model) for v in verdicts if v.model is not None]
    packed = frozenset() if merges_packed(model) else key_map.packed
    return choose_ways(mode, stack, partial(can_be_live, model.model), packed)


def require_held(model: Patcher, key_map: KeyMap, verdicts: Sequence[Verdict]) -> None:
    """Raises Overflows where the entries make numbers beyond what a weight of the model holds."""
    uses = [_Use(v.entry.strength_model, v.entry.blocks, v.model) for v in verdicts if v.model]
    _require_held(model, key_map, uses, verdicts)


def _require_held(
    patcher: Patcher, key_map: KeyMap, uses: Sequence[_Use], verdicts: Sequence[Verdict]
) -> None:
    largest = (abs(use.strength) * use.blocks.largest * use.found.lora.largest_change for use in uses)
    if is_safe(largest, dtypes_of(patcher)):
        return
    numbers = weights_of(patcher)

    def weight(key: str) -> tuple[Tensor, torch.dtype] | None:
        found = numbers(Target(key)) if key in key_map.shapes else None
        return None if found is None else (found.clone(), comfy.utils.get_attr(patcher.model, key).dtype)

    require_numbers(_patches(key_map, uses), weight, [v.entry.name for v in verdicts])


def _changed(model: Patcher, key_map: KeyMap, verdicts: Sequence[Verdict], ways: Sequence[Way]) -> Patcher:
    """The model with each entry applied its way: first what is merged, then what is live."""
    uses = [_Use(v.entry.strength_model, v.entry.blocks, v.model) for v in verdicts if v.model]
    merged = [
        replace(use, only=way.merged_keys) if way.is_live else use
        for use, way in zip(uses, ways, strict=True)
        if not way.is_live or way.merged_keys
    ]
    model = _patched(model, key_map, merged)
    live = [(use, v.entry, way) for use, v, way in zip(uses, verdicts, ways, strict=True) if way.is_live]
    if not live:
        return model
    plan = Plan.of(
        [use.found for use, _, _ in live],
        [use.weights(key_map) for use, _, _ in live],
        frozenset(key for _, _, way in live for key in way.merged_keys),
    )
    strengths = torch.tensor([use.strength for use, _, _ in live], dtype=torch.float32)
    return live_model(model, plan, timed(strengths, [entry for _, entry, _ in live]))


def with_metadata(model: Patcher, verdicts: Sequence[Verdict]) -> Patcher:
    """A clone with what the files say of themselves, as after the host's loaders in a chain: the last one's.

    The loaders set it since 0.28 (comfy/sd.py `load_lora_for_models`), and nodes of the host read it: the
    scale of an IC-LoRA's reference. The model itself comes back where no file says anything.
    """
    if not any(verdict.lora.metadata for verdict in verdicts):
        return model
    clone = model.clone()
    _set_metadata(clone, verdicts)
    return clone


def _set_metadata(patcher: Patcher, verdicts: Sequence[Verdict]) -> None:
    for verdict in verdicts:
        if verdict.lora.metadata:
            patcher.set_attachments("lora_metadata", dict(verdict.lora.metadata))


def _patched(patcher: P, key_map: KeyMap, found: Sequence[_Use]) -> P:
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
        verdicts.append(judge(entry, model_names, clip_names))
        progress.update(1)
    return verdicts


def judge(entry: Entry, model_names: KeyMap | None, clip_names: KeyMap | None) -> Verdict:
    """The verdict on one entry. Raises UnresolvedLora or FileError."""
    loaded = load(entry)
    of_model, of_clip = settle(_match(loaded, model_names), _match(loaded, clip_names))
    met = ((of_model, model_names), (of_clip, clip_names))
    unlisted = (found.keys & names.unlisted for found, names in met if found and names)
    return Verdict(
        entry,
        loaded.lora,
        of_model,
        of_clip,
        loaded.made_for,
        blocks_in(model_names) if model_names is not None else None,
        blocks_in(clip_names) if clip_names is not None else None,
        unlisted=frozenset[str]().union(*unlisted),
    )


def _match(loaded: Loaded, key_map: KeyMap | None) -> Match | None:
    if key_map is None:
        return None
    if key_map not in loaded.matches:
        loaded.matches[key_map] = match(loaded.lora, key_map, partial(_adopt, loaded.lora.stamp.path))
    return loaded.matches[key_map]


def _patches(key_map: KeyMap, found: Sequence[_Use]) -> dict[str, list[Step | ForeignStep]]:
    used = [use for use in found if use.strength != 0]
    matches = [use.found for use in used]
    weights = [use.weights(key_map) for use in used]
    # Factors that no other LoRA is joined with lie in their file's memory and keep all of it.
    stamps = tuple(matched.lora.stamp for matched in matches)
    left = tuple(matched.left for matched in matches)
    key = (weakref.ref(key_map), stamps, left)  # a key map lives as long as its model
    return CACHE.get(key, lambda: fuse(matches), needs=stamps).at([use.strength for use in used], weights)


def _adopt(path: Path, leftovers: Mapping[str, Tensor], key_map: KeyMap) -> dict[Target, Foreign]:
    """Patches of ComfyUI's own adapters, for what its loader knows and we do not. Raises BrokenFile."""
    names = {name: host_key(target) for name, target in key_map.targets.items()}
    try:
        values = comfy.lora.load_lora(dict(leftovers), names, log_missing=False)
    except (KeyError, RuntimeError, ValueError) as error:
        # A missing tensor, or one where a number belongs.
        problem = f"has a layer of a format ComfyUI knows, and cannot read ({type(error).__name__}: {error})"
        raise BrokenFile(path, problem, "Train or save it again") from error
    return {to_target(key): Foreign(value, _keys_of(value, leftovers)) for key, value in values.items()}


def _keys_of(value: Any, leftovers: Mapping[str, Tensor]) -> frozenset[str]:
    if isinstance(value, WeightAdapterBase):
        return frozenset(value.loaded_keys)
    return frozenset(key for key, tensor in leftovers.items() if any(tensor is used for used in value[1]))


def _add_patches(patcher: Patcher | Clip, patches: Mapping[str, Sequence[Step | ForeignStep]]) -> None:
    """Hand patches to the host, keeping each weight's order; one call per place in the order and strength."""
    values = [list(_host_values(steps)) for steps in patches.values()]
    for place in range(max(map(len, values), default=0)):
        calls: dict[float, dict[PatchKey, Any]] = {}
        for items in values:
            if place < len(items):
                strength, key, value = items[place]
                calls.setdefault(strength, {})[key] = value
        for strength, patch in calls.items():
            patcher.add_patches(patch, strength)
    by_key = [(key, value) for key, items in zip(patches, values, strict=True) for _, _, value in items]
    owner: Any = patcher  # a text encoder has a patcher
    write_after_load(getattr(owner, "patcher", owner), by_key)


def _host_values(steps: Sequence[Step | ForeignStep]) -> Iterator[tuple[float, PatchKey, Any]]:
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
