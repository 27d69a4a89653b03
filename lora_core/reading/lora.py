"""A LoRA file taken apart: which layers it names, and the adapters of each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, cast

import torch

from .. import adapters as formulas
from ..adapters import (
    COUNTS,
    LEAST_AXES,
    MOST_AXES,
    RANK_ROLES,
    SCALED_ROLES,
    Adapter,
    BadTensors,
    SetWeight,
)
from ..errors import BrokenFile, NotALora
from .contents import IS_EMBEDDING, MOVE_EMBEDDING, TensorFile
from .files import Stamp
from .finite import all_finite, is_finite
from .key_names import group_keys
from .outline import Outline
from .peft_config import PeftConfig, config_for, read_configs
from .whole_file_names import conversion_notes, convert, original_key

if TYPE_CHECKING:
    from torch import Tensor

_TRAIN_AGAIN = "Train or save the LoRA again"
_NUNCHAKU = re.compile(r"\.(?:lora_down|lora_up|proj_down|proj_up|qweight|wscales|smooth|smooth_factor)$")
_NUMBERED = re.compile(r"(?:lora\.)?(?:weights|embeddings)\.\d+(?:\.\w+)?")


class Layers(dict[str, tuple[Adapter, ...]]):
    """The adapters of each layer by its name, and of some rows of one by the name `rows_name` gives them."""

    def __missing__(self, name: str) -> tuple[Adapter, ...]:
        found = _ROWS.fullmatch(name)
        if found is None or found["layer"] not in self:
            raise KeyError(name)
        start, length = int(found["start"]), int(found["length"])
        return tuple(formulas.rows_of(adapter, start, length) for adapter in self[found["layer"]])


_ROWS = re.compile(r"(?P<layer>.+) rows (?P<start>\d+)\+(?P<length>\d+)")


def rows_name(layer: str, start: int, length: int) -> str:
    """What some rows of a layer are called: q of a file's `to_qkv` on a model that keeps q, k and v apart."""
    return f"{layer} rows {start}+{length}"


def whole_name(name: str) -> str:
    """The layer of the file that a name of `rows_name` is of, or the name itself."""
    found = _ROWS.fullmatch(name)
    return found["layer"] if found is not None else name


@dataclass(frozen=True, eq=False)
class Lora:
    """The adapters of one file by layer name, and what else the file holds.

    What a layer does to its bias stands under the layer's name and ".bias".
    """

    stamp: Stamp
    metadata: Mapping[str, str]
    layers: Mapping[str, tuple[Adapter, ...]]
    leftovers: Mapping[str, Tensor]  # what no formula here knows, for a host that may
    size: int  # bytes held in memory
    embeddings: tuple[str, ...] = ()  # textual inversions packed in with the LoRA
    notes: tuple[str, ...] = ()  # for the report
    said_as: Mapping[str, str] = field(
        default_factory=dict
    )  # layers that the file has no key of that name for

    @cached_property
    def set_whole(self) -> frozenset[str]:
        """The layers that are a stored value and no change: a control LoRA's norms."""
        return frozenset(
            n for n, found in self.layers.items() if all(isinstance(a, SetWeight) for a in found)
        )

    @property
    def unknown_keys(self) -> tuple[str, ...]:
        """Keys no formula here knows."""
        return tuple(self.leftovers)

    @property
    def widths(self) -> Mapping[str, int]:
        """How wide the input of every layer is, 0 where its adapters do not tell."""
        shapes = {name: [a.change_shape for a in adapters] for name, adapters in self.layers.items()}
        return {name: max(shape[1] if shape else 0 for shape in found) for name, found in shapes.items()}

    @cached_property
    def largest_change(self) -> float:
        """At least the largest |number| of a change at strength 1, leftovers not counted."""
        every = (adapter for layer in self.layers.values() for adapter in layer)
        return max((formulas.largest_change(a, formulas.pack(a)) for a in every), default=0.0)

    @cached_property
    def kinds(self) -> Mapping[str, Counter[int | None]]:
        """For every kind of adapter, how many layers have each rank (None where the kind has none)."""
        kinds: dict[str, Counter[int | None]] = {}
        for layer in self.layers.values():
            for adapter in layer:
                kinds.setdefault(adapter.kind, Counter())[adapter.rank] += 1
        return kinds


@dataclass(eq=False)
class _Reading:
    """A file half taken apart."""

    file: TensorFile
    tensors: Mapping[str, Tensor]
    layers: Layers = field(default_factory=Layers)
    leftovers: dict[str, Tensor] = field(default_factory=dict)
    zero_alphas: int = 0
    empty: list[str] = field(default_factory=list)  # layers of rank 0
    repeated: list[str] = field(default_factory=list)  # layers said in a second spelling of their keys
    said_as: dict[str, str] = field(default_factory=dict)
    is_finite: bool = False  # already known of all tensors

    def add(self, name: str, keys: Mapping[str, str], scale: float | None) -> None:
        """Take one spelling of one layer; what no formula takes is left over."""
        roles = {role: self.tensors[key] for role, key in keys.items()}
        if _has_rank_0(roles):
            self.empty.append(name)
            return
        try:
            _check_tensors(roles, self.is_finite)
            if scale is not None:
                roles["scale"] = cast("Tensor", Outline.of(scale))
            found = formulas.find(roles)
            self._take(name, found, next(iter(keys)))
        except BadTensors as error:
            key = original_key(keys.get(error.role, next(iter(keys.values()))), self.file.tensors)
            raise BrokenFile(self.file.stamp.path, error.problem, _TRAIN_AGAIN, key=key) from None
        if found is None:
            self.leftovers.update({key: self.tensors[key] for key in keys.values()})
            return
        alpha = roles.get("alpha") if "oft_blocks" not in roles else None
        # A formula that has no use for it lets it be of any shape.
        if alpha is not None and alpha.numel() == 1 and not alpha.is_meta and float(alpha) == 0:
            self.zero_alphas += 1

    def _take(self, name: str, found: formulas.Layer | None, role: str) -> None:
        """Add the adapters of a layer. Raises BadTensors for changes of one weight that differ in shape."""
        if found is None:
            return
        beside = {f"{name}.{parameter}": made for parameter, made in found.beside.items()}
        if "modulation" in found.beside:
            self.said_as[f"{name}.modulation"] = f"{name} (diff_m)"
        for layer, adapters in {name: found.weight, **beside}.items():
            before = self.layers.get(layer, ())
            known = {adapter.kind for adapter in before}
            new = tuple(adapter for adapter in adapters if adapter.kind not in known)
            if len(new) < len(adapters):
                self.repeated.append(layer)
            together = before + new
            if len(together) > 1:
                _check_shapes(together, role)
            if together:
                self.layers[layer] = together


def read_lora(
    file: TensorFile, keep_foreign: bool = False, configs: Collection[PeftConfig] | None = None
) -> Lora:
    """Take a file apart. `configs` are its PEFT configs where they are known already.

    Raises BrokenFile when tensors of a layer are incomplete, do not belong together or hold NaN or infinity,
    and NotALora when no key is one of a LoRA's. With `keep_foreign` a file of none but unknown keys is handed
    over instead, for a host that may know them; one that is plainly something else is refused all the same.
    """
    finite = not file.is_outline and all_finite(file.contents)
    reading = _Reading(file, convert(file.tensors), is_finite=finite)
    layers, embeddings, unknown = group_keys(reading.tensors)
    notes: list[str] = []
    if configs is None:
        configs, notes = find_configs(file, reading.tensors, layers)
    scales: Counter[tuple[str, float]] = Counter()
    for name, groups in layers.items():
        for keys in groups:
            config = config_for(configs, name) if _lacks_scale(keys) else None
            scale = None if config is None else config.scale_of(name)
            reading.add(name, keys, scale)
            if config is not None and scale not in (None, 1.0):
                scales[config.source, scale] += 1
    reading.leftovers.update({key: reading.tensors[key] for key in unknown})
    if not reading.layers:
        _refuse(file, embeddings, keep_foreign)
    notes += [*conversion_notes(file.tensors), *_notes(scales, reading.zero_alphas), *_layer_notes(reading)]
    size = 0 if file.is_outline else file.size + _bytes_beside(file, reading.layers)
    told = (embeddings, tuple(notes), reading.said_as)
    return Lora(file.stamp, file.metadata, reading.layers, reading.leftovers, size, *told)


def _bytes_beside(file: TensorFile, layers: Mapping[str, Sequence[Adapter]]) -> int:
    """Bytes of factors that were computed from a file's tensors rather than being them."""
    stored = set(map(id, file.tensors.values()))
    known = {tensor.untyped_storage().data_ptr() for tensor in file.contents}
    beside: dict[int, int] = {}
    parts = [formulas.pack(adapter) for adapters in layers.values() for adapter in adapters]
    while parts:
        for part in parts.pop():
            if isinstance(part, tuple):
                parts.append(part)
            elif isinstance(part, torch.Tensor) and id(part) not in stored:
                beside[part.untyped_storage().data_ptr()] = part.untyped_storage().nbytes()
    return sum(size for place, size in beside.items() if place not in known)


def _check_shapes(adapters: Iterable[Adapter], role: str) -> None:
    """Raises BadTensors for changes of one weight that differ in shape."""
    shapes = {shape for adapter in adapters if (shape := adapter.change_shape) is not None}
    if len(shapes) > 1:
        told = " and ".join(map(str, sorted(shapes)))
        raise BadTensors(role, f"stands beside others of its layer that change another shape: {told}")


def _check_tensors(roles: Mapping[str, Tensor], known_finite: bool) -> None:
    """The one door to every formula. Raises BadTensors for a tensor that is empty, has too few or too many
    dimensions for its role, is no number at all, or not finite throughout.
    """
    for role, tensor in roles.items():
        if not LEAST_AXES.get(role, 1) <= tensor.ndim <= MOST_AXES:
            least = LEAST_AXES.get(role, 1)
            told = f"{role!r} has {least} to {MOST_AXES}"
            problem = f"has {tensor.ndim} dimensions, such cannot be factors of one weight: {told}"
            raise BadTensors(role, problem)
        if not tensor.numel():
            raise BadTensors(role, f"is empty, of shape {list(tensor.shape)}")
        if not tensor.is_floating_point():
            if role not in COUNTS or tensor.is_complex():
                raise BadTensors(role, f"holds {tensor.dtype} where floating-point numbers belong")
        elif not known_finite and not is_finite(tensor):
            raise BadTensors(role, "holds NaN or infinity")
        elif tensor.element_size() > 4 and not is_finite(tensor.float()):
            raise BadTensors(role, "holds a number beyond float32, in which formulas are computed")


def _lacks_scale(keys: Collection[str]) -> bool:
    """Whether a layer has a scale and does not say which."""
    return "alpha" not in keys and not SCALED_ROLES.isdisjoint(keys)


def find_configs(
    file: TensorFile, tensors: Mapping[str, Tensor], layers: Mapping[str, list[dict[str, str]]]
) -> tuple[tuple[PeftConfig, ...], list[str]]:
    """The PEFT configs of a file that needs one, and a note where one is another LoRA's of its folder.

    `tensors` are the file's under the keys that `layers` sorts.
    """
    waiting = [(name, keys) for name, groups in layers.items() for keys in groups if _lacks_scale(keys)]
    configs = read_configs(file.stamp.path, file.metadata) if waiting else ()
    for name, keys in waiting:
        config = config_for(configs, name)
        if config is None:
            continue
        factors = [tensors[keys[role]] for role in RANK_ROLES if role in keys]
        rank = factors[0].shape[0] if factors and factors[0].ndim else None
        if rank not in (None, config.rank_of(name)):
            found = f"rank {config.rank_of(name)} where the file has {rank} ({name})"
        elif not config.targets_layer(name):
            found = f"no layer {name}"
        else:
            continue
        return (), [f"not used: {config.source}, which has {found}; scale 1"]
    return configs, []


def _notes(scales: Mapping[tuple[str, float], int], zero_alphas: int) -> list[str]:
    notes = []
    for source in dict.fromkeys(source for source, _ in scales):
        values = sorted(scale for name, scale in scales if name == source)
        span = f"{values[0]:g}" if len(values) == 1 else f"{values[0]:g} to {values[-1]:g}"
        notes.append(f"scale {span} from {source}; ComfyUI does not read it and would apply 1")
    if zero_alphas:
        notes.append(
            f"alpha 0 in {zero_alphas} layers means the rank, as in the trainers; ComfyUI would apply nothing"
        )
    return notes


def _layer_notes(reading: _Reading) -> list[str]:
    notes = []
    if reading.empty:
        notes.append(
            f"rank 0 in {len(reading.empty)} layers, such as {reading.empty[0]}: they change nothing"
        )
    if reading.repeated:
        notes.append(
            f"said twice, applied once: {len(reading.repeated)} layers in two spellings of their keys, "
            f"such as {reading.repeated[0]}; the first spelling counts, as in ComfyUI"
        )
    return notes


def _has_rank_0(roles: Mapping[str, Tensor]) -> bool:
    """Whether the factors of a layer are there and empty, for they have no rank."""
    ranked = [roles[role] for role in RANK_ROLES if role in roles]
    return bool(ranked) and all(tensor.ndim > 1 and tensor.shape[0] == 0 for tensor in ranked)


def _refuse(file: TensorFile, embeddings: Collection[str], keep_foreign: bool) -> None:
    """Raises NotALora for a file without a single layer, unless it may be a format the host knows."""
    tensors, path = file.tensors, file.stamp.path
    if not tensors:
        raise NotALora(path, "holds no tensor at all", "Download or copy the file again")
    if any(key.startswith(("model.diffusion_model.", "first_stage_model.")) for key in tensors):
        raise NotALora(
            path, "is a whole checkpoint", "Move it to models/checkpoints and load it as a checkpoint"
        )
    if any(_NUNCHAKU.search(key) for key in tensors):
        raise NotALora(
            path, "is packed for nunchaku's quantised kernels", "Use the LoRA it was converted from"
        )
    if all(_NUMBERED.fullmatch(key) for key in tensors):
        problem = "numbers its tensors and names no layer, as Stable Cascade's own trainer does"
        raise NotALora(path, problem, "Convert it with the code that made it, or train it with OneTrainer")
    if embeddings or tensors.keys() & {"emb_params", "clip_l", "clip_g"}:
        raise NotALora(path, IS_EMBEDDING, MOVE_EMBEDDING)
    if all(key.endswith((".weight", ".bias")) for key in tensors):
        remedy = "Move it to models/diffusion_models or models/text_encoders and load it from there"
        raise NotALora(path, "is a whole model, not a LoRA", remedy)
    if not keep_foreign:
        example = next(iter(tensors))
        problem = f"has no key of a LoRA (its first key is {example!r})"
        raise NotALora(path, problem, "Check what the file is for")
