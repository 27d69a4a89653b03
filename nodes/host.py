"""The one door to ComfyUI: its folders, its key maps, its model patcher.

Everything the pack keeps between two queues is here: files read and factors joined, in a cache bounded in
bytes, and key maps, which live as long as their model. None of it is ever changed, so workflows that run at
once cannot see each other's stack.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import comfy.lora
import comfy.model_management
import comfy.utils
import folder_paths
import torch
from comfy.weight_adapter import WeightAdapterBase
from torch import Tensor

from ..lora_core.adapters import Reorder, pack, unpack
from ..lora_core.adapters.padded import Padded
from ..lora_core.cache import ByteCache
from ..lora_core.errors import BrokenFile
from ..lora_core.files import Stamp, read_file, read_header
from ..lora_core.key_map import KeyMap, Target
from ..lora_core.key_maps.names import names as model_names
from ..lora_core.key_maps.text_encoders import names as text_encoder_names
from ..lora_core.lora import Lora, read_lora
from ..lora_core.patch import Foreign, ForeignStep, Match, Step, fuse, match
from ..lora_core.resolve import resolve
from ..lora_core.sidecars import trigger_words
from ..lora_core.stack import Entry
from ..lora_core.verdict import Verdict, report


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A file in memory, and its match against each model it has met."""

    lora: Lora
    matches: weakref.WeakKeyDictionary[KeyMap, Match] = field(default_factory=weakref.WeakKeyDictionary)

    @property
    def size(self) -> int:
        return self.lora.size


def _cache_bytes() -> int:
    """The bound of the cache: LORA_RACK_CACHE_MIB from the environment, else an eighth of the memory."""
    setting = os.environ.get("LORA_RACK_CACHE_MIB", "")
    mib = int(setting) if setting.isdecimal() else int(comfy.model_management.total_ram) // 8
    return mib * 2**20


# Stamp → _Loaded for files, ("header", Stamp) → Header, (KeyMap, stamps) → Fused for stacks.
_CACHE = ByteCache(_cache_bytes())
_KEY_MAPS: weakref.WeakKeyDictionary[torch.nn.Module, KeyMap] = weakref.WeakKeyDictionary()


# Names and files


def lora_names() -> list[str]:
    """Every LoRA the host lists, as it spells them."""
    names: list[str] = folder_paths.get_filename_list("loras")
    return names


def resolve_name(name: str) -> str:
    """The host's spelling of a name. Raises MissingLora or AmbiguousLora."""
    return resolve(name, lora_names())


def lora_path(name: str) -> Path:
    """Where a LoRA lies. Raises MissingLora or AmbiguousLora."""
    return Path(folder_paths.get_full_path_or_raise("loras", resolve_name(name)))


def fingerprint(names: Sequence[str]) -> str:
    """Changes whenever one of the files does, for IS_CHANGED."""
    stamps = [Stamp.of(lora_path(name)) for name in names]
    return " ".join(f"{stamp.path}:{stamp.size}:{stamp.mtime_ns}:{stamp.config_mtime_ns}" for stamp in stamps)


def words_of(name: str) -> str:
    """The trigger words of a LoRA, joined as a prompt would hold them."""
    path = lora_path(name)
    return ", ".join(trigger_words(path, _metadata(path)))


def _metadata(path: Path) -> Mapping[str, str]:
    if path.suffix.lower() != ".safetensors":
        return {}
    return _CACHE.get(("header", Stamp.of(path)), lambda: read_header(path)).metadata


def _load(name: str) -> _Loaded:
    stamp = Stamp.of(lora_path(name))
    _CACHE.discard(lambda held: isinstance(held, Stamp) and held.path == stamp.path and held != stamp)
    pinned = comfy.model_management.get_torch_device().type == "cuda"

    def read() -> _Loaded:
        return _Loaded(read_lora(read_file(stamp.path, pinned), keep_foreign=True))

    return _CACHE.get(stamp, read)


# Key maps


def _model_map(model: Any) -> KeyMap:
    return _key_map(model.model, comfy.lora.model_lora_keys_unet, model_names)


def _clip_map(clip: Any) -> KeyMap:
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
        names = {name: _target(value) for name, value in host_names(module, {}).items()}
        # Packed weights (NF4 and the like) do not show the shape they stand for.
        shapes = {k: tuple(t.shape) for k, t in module.state_dict().items() if t.is_floating_point()}
        known = _KEY_MAPS[module] = KeyMap.of({**our_names(shapes), **names}, shapes)
    return known


def _target(value: Any) -> Target:
    return Target(value) if isinstance(value, str) else Target(*value)


def _host_key(target: Target) -> Any:
    if target.function is not None:
        return (target.key, target.offset, target.function)
    return target.key if target.offset is None else (target.key, target.offset)


# Patching


class FusedAdapter(WeightAdapterBase):
    """All our steps of one weight, as one adapter of the host's.

    All state is in `weights`, one (strength, packed adapter) per step and at the end whether the target
    reorders changes: newer hosts rebuild adapters as `type(a)(a.loaded_keys, moved weights)`.
    """

    name = "lora_rack"

    def __init__(self, loaded_keys: set[str], weights: tuple[Any, ...]) -> None:
        self.loaded_keys = loaded_keys
        self.weights = weights

    def calculate_weight(
        self,
        weight: Tensor,
        key: str,
        strength: float,
        strength_model: float,
        offset: tuple[int, int, int] | None,
        function: Reorder,
        intermediate_dtype: torch.dtype = torch.float32,
        original_weight: Any = None,
    ) -> Tensor:
        """Take the steps in order; the host has applied `strength_model` and `offset` already."""
        *steps, has_function = self.weights
        # The host passes an identity where the target has no function; knowing better saves a temporary.
        reorder = function if has_function else None
        for step_strength, packed in steps:
            weight = unpack(packed).apply(weight, strength * step_strength, intermediate_dtype, reorder)
        return weight

    def calculate_shape(self, key: str) -> tuple[int, ...] | None:
        """The shape the weight will grow to, for newer hosts; None where it keeps its own."""
        padded = [adapter for _, packed in self.weights[:-1] if isinstance(adapter := unpack(packed), Padded)]
        return padded[-1].shape if padded else None


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
    model_map = _model_map(model) if model is not None else None
    clip_map = _clip_map(clip) if clip is not None else None
    verdicts = _judge(active, model_map, clip_map)
    for verdict in verdicts:
        verdict.require_lora()
        if require_effect:
            verdict.require_effect()
    if model_map is not None:
        model = _patched(model, model_map, [(v.entry.strength_model, v.model) for v in verdicts if v.model])
    if clip_map is not None:
        clip = _patched(clip, clip_map, [(v.entry.strength_clip, v.clip) for v in verdicts if v.clip])
    return Applied(model, clip, report(verdicts, _CACHE.use))


def _patched(patcher: Any, key_map: KeyMap, found: Sequence[tuple[float, Match]]) -> Any:
    """A patched clone, or the patcher itself where nothing changes: the host need not load a clone then."""
    patches = _patches(key_map, found)
    if not patches:
        return patcher
    clone = patcher.clone()
    _add_patches(clone, patches)
    return clone


def _judge(entries: Sequence[Entry], model_map: KeyMap | None, clip_map: KeyMap | None) -> list[Verdict]:
    progress = comfy.utils.ProgressBar(len(entries))
    verdicts: list[Verdict] = []
    for entry in entries:
        loaded = _load(entry.name)
        verdicts.append(Verdict(entry, loaded.lora, _match(loaded, model_map), _match(loaded, clip_map)))
        progress.update(1)
    return verdicts


def _match(loaded: _Loaded, key_map: KeyMap | None) -> Match | None:
    if key_map is None:
        return None
    if key_map not in loaded.matches:
        loaded.matches[key_map] = match(loaded.lora, key_map, _adopt)
    return loaded.matches[key_map]


def _patches(key_map: KeyMap, found: Sequence[tuple[float, Match]]) -> dict[str, list[Step | ForeignStep]]:
    used = [(strength, matched) for strength, matched in found if strength != 0]
    matches = [matched for _, matched in used]
    key = (key_map, tuple(matched.lora.stamp for matched in matches))
    return _CACHE.get(key, lambda: fuse(matches)).at([strength for strength, _ in used])


def _adopt(leftovers: Mapping[str, Tensor], key_map: KeyMap) -> dict[Target, Foreign]:
    """Patches of ComfyUI's own adapters, for what its loader knows and we do not."""
    names = {name: _host_key(target) for name, target in key_map.targets.items()}
    try:
        values = comfy.lora.load_lora(dict(leftovers), names, log_missing=False)
    except KeyError as error:
        remedy = "Its format is one ComfyUI knows, but it is incomplete; train or save it again"
        raise BrokenFile("LoRA", f"has no {error} that ComfyUI asks for", remedy) from None
    return {_target(key): Foreign(value, _keys_of(value, leftovers)) for key, value in values.items()}


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
        key = _host_key(target)
        if is_ours:
            packed = ((step.strength, pack(step.adapter)) for step in group if isinstance(step, Step))
            yield 1.0, key, FusedAdapter(set(), (*packed, target.function is not None))
        else:
            for step in group:
                assert isinstance(step, ForeignStep)
                yield step.strength, key, step.adapter.patch
