"""A LoRA file taken apart: which layers it names, and the adapters of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from . import adapters as formulas
from .adapters import Adapter
from .adapters.low_rank import LowRank
from .errors import BrokenFile, NotALora
from .files import Stamp, TensorFile
from .key_names import group_keys

_TRAIN_AGAIN = "Train or save the LoRA again"


@dataclass(frozen=True, eq=False)
class Foreign:
    """A layer in a format we have no formula for; `tensors` keeps the file's own keys for whoever has."""

    tensors: Mapping[str, Tensor]


LayerAdapter = Adapter | Foreign


@dataclass(frozen=True, eq=False)
class Lora:
    """The adapters of one file by layer name, and what else the file holds."""

    stamp: Stamp
    metadata: Mapping[str, str]
    layers: Mapping[str, tuple[LayerAdapter, ...]]
    unknown_keys: tuple[str, ...]
    size: int  # bytes held in memory

    @property
    def ranks(self) -> Counter[int]:
        """How many layers have each rank."""
        return Counter(a.rank for layer in self.layers.values() for a in layer if isinstance(a, LowRank))

    @property
    def foreign_count(self) -> int:
        """How many layers are in a format we have no formula for."""
        return sum(isinstance(a, Foreign) for layer in self.layers.values() for a in layer)


def read_lora(
    file: TensorFile,
    convert: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] = lambda tensors: tensors,
) -> Lora:
    """Take a file apart. `convert` may first rename keys of formats that need the whole file to be told.

    Raises NotALora when no key is one of a LoRA's, and BrokenFile when the factors of a layer are
    incomplete or do not belong together.
    """
    tensors = convert(file.tensors)
    grouped, unknown = group_keys(tensors)
    if not grouped:
        raise NotALora(file.stamp.path, *_what_it_is(tensors))
    layers: dict[str, tuple[LayerAdapter, ...]] = {}
    for layer, keys in grouped.items():
        if keys.keys() <= {"alpha", "dora_scale"}:
            unknown.extend(keys.values())  # a leftover of a layer the trainer dropped: nothing to apply
        else:
            layers[layer] = _adapters(file, tensors, keys)
    return Lora(file.stamp, file.metadata, layers, tuple(unknown), file.size)


def _adapters(
    file: TensorFile, tensors: Mapping[str, Tensor], keys: Mapping[str, str]
) -> tuple[LayerAdapter, ...]:
    for role, partner in (("up", "down"), ("down", "up")):
        if role in keys and partner not in keys:
            raise BrokenFile(
                file.stamp.path, f"has no {partner!r} factor beside it", _TRAIN_AGAIN, key=keys[role]
            )
    try:
        found = formulas.find({role: tensors[key] for role, key in keys.items()})
    except ValueError as error:
        key = next(iter(keys.values()))
        raise BrokenFile(file.stamp.path, str(error), _TRAIN_AGAIN, key=key) from None
    return tuple(found) or (Foreign({key: tensors[key] for key in keys.values()}),)


def _what_it_is(tensors: Mapping[str, Tensor]) -> tuple[str, str]:
    """Problem and remedy for a file without a single LoRA key."""
    if not tensors:
        return "holds no tensor at all", "Download or copy the file again"
    if any(key.startswith(("model.diffusion_model.", "first_stage_model.")) for key in tensors):
        return "is a whole checkpoint", "Move it to models/checkpoints and load it as a checkpoint"
    if tensors.keys() & {"emb_params", "string_to_param", "clip_l", "clip_g"}:
        return "is a textual-inversion embedding", "Move it to models/embeddings and name it in the prompt"
    example = next(iter(tensors))
    return f"has no key a LoRA would have (its first key is {example!r})", "Check what the file is for"
