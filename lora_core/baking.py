"""A stack of LoRAs written into the weights of a checkpoint.

The checkpoint passes through memory one tensor at a time, each with the factors that change it. Sums are
made in float32 and rounded once, to the dtype of the file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from .applying import (
    ForeignStep,
    ModelNames,
    Step,
    Verdict,
    holds,
    require_blocks,
    take_steps,
    too_large,
    weights_in,
)
from .changes import LayerUse, layer_uses, merged, steps_of
from .errors import BadJson, CannotMerge
from .grammar import write_safely
from .key_maps import Checkpoint, StoredAt, Target, read_layout
from .merging import SUM, Method
from .reading import (
    Form,
    Header,
    PartialLora,
    TensorInfo,
    TensorReader,
    header_bytes,
    read_header,
    replacing,
    sha256,
    total_size,
    write_tensor,
)
from .stack import Entry
from .untrusted import read_json

if TYPE_CHECKING:
    from torch import Tensor

BAKED = "lora_rack.baked"
"""Metadata key: a JSON list, one entry per bake, of the stack and its files' hashes."""

_OUTDATED = ("modelspec.hash_sha256",)  # describes the tensors as they were


@dataclass(frozen=True, eq=False)
class Bake:
    """What a stack will do to a checkpoint; nothing has been read of either but their headers."""

    header: Header
    layout: Checkpoint
    loras: tuple[PartialLora, ...]
    verdicts: tuple[Verdict, ...]
    uses: Mapping[str, Mapping[StoredAt, Sequence[LayerUse]]]  # by key of the file
    method: Method = SUM

    @property
    def changed(self) -> int:
        """How many tensors of the file change."""
        return len(self.uses)

    def shape(self, key: str) -> tuple[int, ...]:
        """The shape a tensor will have: its own, unless a LoRA of the stack makes it larger."""
        shape = self.header.tensors[key].shape
        for use in (use for uses in self.uses.get(key, {}).values() for use in uses):
            for adapter in self.verdicts[use.row].lora.layers[use.layer]:
                if adapter.grown_shape is not None:
                    shape = tuple(map(max, shape, adapter.grown_shape))
        return shape

    def patched(self, key: str, stored: Tensor, scale: Tensor | None = None) -> Tensor:
        """A tensor of the checkpoint with the stack applied, in float32; `stored` may be overwritten.

        `scale` is what the stored numbers are to be multiplied with, and the result is divided by again.
        """
        weight = stored.to(torch.float32)
        if scale is not None:
            weight *= scale
        for place, uses in self.uses[key].items():
            if self.method != SUM:
                self._merge(place.view(weight), uses)
                continue
            part = place.view(weight)
            result = take_steps(part, self._steps(uses))
            if result.shape != part.shape:
                weight = result  # a larger one: `match` lets it only be a whole weight
        return weight if scale is None else weight.div_(scale)

    def _merge(self, weight: Tensor, uses: Sequence[LayerUse]) -> None:
        rows = [[use for use in uses if use.row == row] for row in dict.fromkeys(use.row for use in uses)]
        steps = [self._steps(row) for row in rows]
        weight += merged(steps, tuple(weight.shape), self.method, uses[0].target.key, weight).full()

    def _steps(self, uses: Sequence[LayerUse]) -> list[Step]:
        """What happens to one weight, in order."""
        steps = steps_of(uses, lambda row, layers: self.loras[row].layers(layers))
        return [step for step in steps if not isinstance(step, ForeignStep)]


def plan_bake(
    checkpoint: Path, entries: Sequence[Entry], paths: Sequence[Path], method: Method = SUM
) -> Bake:
    """Match a stack, entry by entry with its file, against a checkpoint.

    Raises FileError for a file that cannot be used, FitError for a LoRA that does not belong on the
    checkpoint, BadBlockText for blocks the checkpoint does not have, RackError for what cannot be changed
    where it lies.
    """
    for entry in entries:
        if entry.is_timed:
            remedy = "Give it one strength for the whole sampling, or apply the stack while sampling"
            raise CannotMerge(f"{entry.name!r} is on {entry.when}, a checkpoint acts throughout. {remedy}")
    header = read_header(checkpoint)
    layout = read_layout({key: info.shape for key, info in header.tensors.items()})
    model_map = layout.model_map() if layout.model else None
    clip_map = layout.clip_map() if layout.clip else None
    loras = tuple(PartialLora(path) for path in paths)
    verdicts: list[Verdict] = []
    names = ModelNames(model_map, clip_map)
    for entry, lora in zip(entries, loras, strict=True):
        verdicts.append(names.judge(entry, lora))
        verdicts[-1].require_effect()
    if model_map:
        require_blocks(entries, model_map)
    uses: dict[str, dict[StoredAt, list[LayerUse]]] = {}
    for index, verdict in enumerate(verdicts):
        entry = verdict.entry
        if model_map and verdict.model:
            found = layer_uses(
                index, entry.strength_model, verdict.model.layers, weights_in(entry.blocks, model_map)
            )
            _add(uses, found, layout.model, header)
        if clip_map and verdict.clip:
            found = layer_uses(
                index, entry.strength_clip, verdict.clip.layers, weights_in(entry.blocks, clip_map)
            )
            _add(uses, found, layout.clip, header)
    return Bake(header, layout, loras, tuple(verdicts), uses, method)


def _add(
    uses: dict[str, dict[StoredAt, list[LayerUse]]],
    found: Iterable[LayerUse],
    places: Mapping[str, StoredAt],
    header: Header,
) -> None:
    for use in found:
        place = places[use.target.key]
        _refuse_packed(use.target, header.tensors[place.key], header)
        uses.setdefault(place.key, {}).setdefault(place, []).append(use)


def _refuse_packed(target: Target, info: TensorInfo, header: Header) -> None:
    if not info.dtype.is_floating_point:
        raise CannotMerge(
            f"{header.stamp.path}: {target.key} is packed ({info.dtype}), and cannot store a "
            "change. Merge into the same model in floating point"
        )


def bake(
    planned: Bake,
    out: Path,
    dtype: torch.dtype | None = None,
    force: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Write the checkpoint with the stack in it to `out`, and return the bytes written.

    `dtype` is that of every floating-point tensor of the result, None keeps each one's own; `progress` gets
    bytes done and bytes in all. Raises RackError when `out` exists and not `force`, Overflows for numbers the
    result cannot hold, BrokenFile when the checkpoint changes meanwhile.
    """
    header = planned.header
    order = sorted(header.tensors, key=lambda key: header.tensors[key].start)
    # Another dtype is for all of the model, what no LoRA changes too.
    scales = scale_keys(header, planned.uses if dtype is None else header.tensors)
    if scales and dtype is not None:
        raise CannotMerge(
            f"{header.stamp.path}: has scaled float8 weights, which stay as they are. Keep the file's dtype"
        )
    forms = {key: Form(_dtype(header.tensors[key], dtype), planned.shape(key)) for key in order}
    start = header_bytes(forms, _metadata(planned))
    total = total_size(forms.values())
    done = 0
    with TensorReader(header) as reader, replacing(out, len(start) + total, force) as file:
        file.write(start)
        for key, form in forms.items():
            if key in planned.uses:
                scale = reader.read(scales[key]).to(torch.float32) if key in scales else None
                write_tensor(file, _patched(planned, reader, key, scale, form.dtype))
            elif form.dtype != header.tensors[key].dtype.torch:
                write_tensor(file, rounded(reader.read(key), form.dtype))
            else:
                reader.copy(key, file)
            done += form.size
            progress(done, total)
        reader.require_unchanged()
    return len(start) + total


def _patched(
    planned: Bake, reader: TensorReader, key: str, scale: Tensor | None, dtype: torch.dtype
) -> Tensor:
    """A tensor as it is written. Raises Overflows for one that was finite and would not be."""
    patched = planned.patched(key, reader.read(key), scale)
    if not holds(dtype, patched) and holds(torch.float32, reader.read(key).float()):
        raise too_large(key, dtype, [verdict.entry.name for verdict in planned.verdicts])
    return rounded(patched, dtype)


def _dtype(info: TensorInfo, wanted: torch.dtype | None) -> torch.dtype:
    return wanted if wanted is not None and info.dtype.is_floating_point else info.dtype.torch


def scale_keys(header: Header, keys: Iterable[str]) -> dict[str, str]:
    """Float8 weights that are stored divided by a number beside them, and that number's key.

    comfy/ops.py `scaled_fp8_ops` calls it scale_weight, newer files weight_scale.
    """
    found: dict[str, str] = {}
    for key in keys:
        stem = key.removesuffix(".weight")
        for name in (f"{stem}.scale_weight", f"{stem}.weight_scale"):
            info = header.tensors.get(name)
            if info is not None and header.tensors[key].dtype.itemsize == 1:
                if math.prod(info.shape) != 1:
                    problem = (
                        f"{header.stamp.path}: {name} scales parts of its weight, which cannot be merged into"
                    )
                    raise CannotMerge(f"{problem}. Use the model in 16 bit")
                found[key] = name
    return found


def rounded(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """The nearest numbers of `dtype`. Float8 has no infinity to overflow to, so it stops at its largest."""
    if dtype.itemsize == 1 and tensor.dtype != dtype:
        largest = torch.finfo(dtype).max
        tensor = tensor.clamp(-largest, largest)
    return tensor.to(dtype)


def baked(metadata: Mapping[str, str]) -> list[Any]:
    """The records of bakes in a checkpoint's metadata, oldest first; none where they cannot be read."""
    try:
        records = read_json(metadata.get(BAKED, "[]"))
    except BadJson:
        return []
    return records if isinstance(records, list) else []


def _metadata(planned: Bake) -> dict[str, str]:
    """The checkpoint's metadata, and what was baked into it."""
    kept = {key: value for key, value in planned.header.metadata.items() if key not in _OUTDATED}
    names = [lora.stamp.path.name for lora in planned.loras]
    entries = [v.entry for v in planned.verdicts]
    record = {
        "checkpoint": planned.header.stamp.path.name,
        "method": planned.method.text,
        "stack": write_safely([replace(e, name=name) for name, e in zip(names, entries, strict=True)]),
        "loras": [
            {
                "name": name,
                "sha256": sha256(lora.stamp.path),
                "strength_model": entry.strength_model,
                "strength_clip": entry.strength_clip,
            }
            for name, lora, entry in zip(names, planned.loras, entries, strict=True)
        ],
    }
    return {"format": "pt", **kept, BAKED: json.dumps([*baked(kept), record], ensure_ascii=False)}
