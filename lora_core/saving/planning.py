"""A stack as one ordinary LoRA file: planned, with its size and error known, then written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod, sqrt

import torch
from torch import Tensor

from ..errors import CannotSave
from ..key_maps import Target
from .changes import WeightChange, change_of, needs_weight
from .compress import Spectral, rank_for_energy, ranks_for_size, spectral
from .naming import NamedLayer, Namer
from .rows import SaveRow, SaveSide, SaveWeight, weights_alone, weights_on

DTYPES: Mapping[str, torch.dtype] = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
    "fp8": torch.float8_e4m3fn,
}


_ORDER = (torch.float32, torch.bfloat16, torch.float16, torch.float8_e4m3fn)


@dataclass(frozen=True)
class Size:
    """How large the file may become: a rank, a share of the energy to keep, or bytes. None: lossless."""

    rank: int | None = None
    keep: float | None = None
    max_bytes: int | None = None

    def __post_init__(self) -> None:
        given = [value for value in (self.rank, self.keep, self.max_bytes) if value is not None]
        if len(given) > 1:
            raise CannotSave("give one of a rank, a share to keep and a largest size, not several")

    @property
    def is_lossless(self) -> bool:
        """Whether nothing is cut off."""
        return self.rank is None and self.keep is None and self.max_bytes is None


@dataclass(frozen=True, eq=False)
class SavedWeight:
    """What is written for one weight: its layers' tensors by key, and what was lost of ‖ΔW‖²."""

    block: str
    tensors: Mapping[str, Tensor]
    rank: int
    energy: float
    lost: float


@dataclass(frozen=True, eq=False)
class SavePlan:
    """A file that is ready to be written."""

    rows: tuple[SaveRow, ...]
    weights: tuple[SavedWeight, ...]
    notes: tuple[str, ...]

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Everything that is written, by key, in the order safetensors' own writer has."""
        found = {key: tensor for weight in self.weights for key, tensor in weight.tensors.items()}
        return dict(sorted(found.items(), key=lambda item: (_ORDER.index(item[1].dtype), item[0])))

    @property
    def error(self) -> float:
        """‖what was lost‖ / ‖ΔW‖ of the whole file, without the rounding of the dtype."""
        energy = sum(weight.energy for weight in self.weights)
        return sqrt(sum(weight.lost for weight in self.weights) / energy) if energy else 0.0

    def error_by_block(self) -> dict[str, float]:
        """The same for each block, in the order of the file."""
        sums: dict[str, list[float]] = {}
        for weight in self.weights:
            total = sums.setdefault(weight.block, [0.0, 0.0])
            total[0] += weight.lost
            total[1] += weight.energy
        return {block: sqrt(lost / energy) if energy else 0.0 for block, (lost, energy) in sums.items()}

    def describe(self) -> str:
        """The report, before anything is written."""
        ranks = [weight.rank for weight in self.weights if weight.rank]
        span = f"{min(ranks)} to {max(ranks)}" if ranks else "none"
        size = sum(tensor.nbytes for tensor in self.tensors.values())
        lines = [f"{len(self.weights)} weights, ranks {span}, {size / 2**20:.1f} MiB, error {self.error:.2%}"]
        if self.error:
            worst = sorted(self.error_by_block().items(), key=lambda item: -item[1])[:10]
            lines.append("error by block: " + ", ".join(f"{block} {error:.1%}" for block, error in worst))
        return "\n".join([*lines, *self.notes])


def plan_save(
    rows: Sequence[SaveRow],
    sides: Sequence[SaveSide] = (),
    size: Size = Size(),
    dtype: torch.dtype = torch.float32,
    naming: str = "as is",
    without_windows: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> SavePlan:
    """Work a stack out. Raises CannotSave, FitError, BadBlockText or FileError; nothing is written.

    `sides` are the connected models; without them the files' own names are kept.
    """
    notes = _without_windows(rows, without_windows)
    if naming != "as is" and not sides:
        raise CannotSave(
            f"the names that {naming} has for layers take a model. Name it, or keep the files' names"
        )
    weights = [found for side in sides for found in weights_on(rows, side)] if sides else weights_alone(rows)
    if not weights:
        raise CannotSave("the stack changes nothing, so there is nothing to save")
    namers = (
        {side.is_text_encoder: Namer(naming, side.key_map, side.is_text_encoder) for side in sides}
        if naming != "as is"
        else {}
    )
    changes: dict[str, WeightChange] = {}
    for done, weight in enumerate(weights, start=1):
        changes[weight.key] = _change(weight)
        progress(done, len(weights))
    reduced = _reduced(weights, changes, size, dtype)
    saved = [
        _saved(weight, *reduced[weight.key], namers.get(weight.is_text_encoder), dtype) for weight in weights
    ]
    return SavePlan(tuple(rows), tuple(saved), tuple(notes))


def _without_windows(rows: Sequence[SaveRow], allowed: bool) -> list[str]:
    timed = [row.entry.name for row in rows if row.entry.is_timed]
    if timed and not allowed:
        raise CannotSave(
            f"{', '.join(timed)}: the strength changes during the sampling; a LoRA file has one strength. "
            "Take start, stop, steps and curves away, or save without them"
        )
    return [
        f"{row.entry.name} was on {row.entry.when}; the file is on for all of the sampling, at "
        f"{row.entry.strength_model:g}"
        for row in rows
        if row.entry.is_timed
    ]


def _change(weight: SaveWeight) -> WeightChange:
    steps = weight.steps()
    kinds = needs_weight(steps)
    base = weight.weight(weight.key) if kinds else None
    if kinds and base is None:
        raise CannotSave(
            f"{weight.name}: the change of {' and '.join(kinds)} depends on the model's weight. "
            "Connect or name the model"
        )
    return change_of(steps, weight.shape, base)


def _reduced(
    weights: Sequence[SaveWeight], changes: Mapping[str, WeightChange], size: Size, dtype: torch.dtype
) -> dict[str, tuple[WeightChange, float, float]]:
    """Each change as it is written, its energy, and what was lost of it."""
    if size.is_lossless:
        return {key: (change, 0.0, 0.0) for key, change in changes.items()}
    matrices = {w.key for w in weights if len(w.shape) > 1 and not w.is_bias}
    spectra = {key: spectral(changes[key].as_factors()) for key in changes if key in matrices}
    ranks = _ranks(spectra, changes, size, dtype, _header_bytes(weights))
    reduced = {key: (change, 0.0, 0.0) for key, change in changes.items()}
    for key, found in spectra.items():
        rank = ranks[key]
        reduced[key] = (found.cut(rank), found.energy, found.lost(rank))
    return reduced


def _ranks(
    spectra: Mapping[str, Spectral],
    changes: Mapping[str, WeightChange],
    size: Size,
    dtype: torch.dtype,
    header: int,
) -> dict[str, int]:
    if size.rank is not None:
        wanted = size.rank
        return {key: min(wanted, found.values.numel()) for key, found in spectra.items()}
    if size.keep is not None:
        keep = size.keep
        return {key: rank_for_energy(found, keep) for key, found in spectra.items()}
    assert size.max_bytes is not None
    whole = sum(prod(changes[key].shape) for key in changes if key not in spectra)
    left = (size.max_bytes - header) // dtype.itemsize - whole
    ranks = ranks_for_size(spectra, max(left, 0))
    if not any(ranks.values()):
        raise CannotSave(f"{size.max_bytes} bytes hold nothing of this stack. Allow more")
    return ranks


def _header_bytes(weights: Sequence[SaveWeight]) -> int:
    """At most so many bytes come before the tensors: names, and what the file says of itself."""
    names = sum(3 * (len(weight.name) + 120) for weight in weights)
    return names + 1000 + 500 * len(weights[0].rows)


def _saved(
    weight: SaveWeight,
    change: WeightChange,
    energy: float,
    lost: float,
    namer: Namer | None,
    dtype: torch.dtype,
) -> SavedWeight:
    layers = [NamedLayer(weight.name, Target(weight.key))] if namer is None else namer.layers(weight.key)
    tensors: dict[str, Tensor] = {}
    for layer in layers:
        part = _part_of(change, layer.target)
        tensors |= _tensors(layer.name, part, weight.is_bias, dtype)
    return SavedWeight(weight.block, tensors, change.rank, energy, lost)


def _part_of(change: WeightChange, target: Target) -> WeightChange:
    """The rows of a change that a layer stands for, as the layer has them."""
    up, difference = change.up, change.difference
    if target.function is not None:  # its own inverse
        up = target.function(up)
        difference = None if difference is None else target.function(difference)
    if target.offset is None:
        return WeightChange(change.shape, up, change.down, difference)
    _, start, length = target.offset
    rows = slice(start, start + length)
    part = None if difference is None else difference[rows]
    return WeightChange((length, *change.shape[1:]), up[rows], change.down, part)


def _tensors(name: str, change: WeightChange, is_bias: bool, dtype: torch.dtype) -> dict[str, Tensor]:
    """One layer's tensors: factors, a difference, or both where a stack has both."""
    found: dict[str, Tensor] = {}
    stem = name.removesuffix(".bias")
    if change.rank:
        kernel = change.shape[2:]
        up = change.up.reshape(*change.up.shape, *[1] * len(kernel))
        down = change.down.reshape(change.rank, *change.shape[1:])
        first, last = ("lora_up", "lora_down") if "." not in stem else ("lora_B", "lora_A")
        found[f"{stem}.{first}.weight"] = _rounded(up, dtype)
        found[f"{stem}.{last}.weight"] = _rounded(down, dtype)
        found[f"{stem}.alpha"] = torch.tensor(float(change.rank), dtype=torch.float32)
    if change.difference is not None:
        ending = "diff_b" if is_bias else "diff"
        found[f"{stem}.{ending}"] = _rounded(change.difference, dtype)
    return found


def _rounded(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    if not bool(torch.isfinite(tensor).all()):
        raise CannotSave("the stack makes numbers that are not finite. One of its LoRAs is broken")
    largest = torch.finfo(dtype).max
    if float(tensor.abs().max() if tensor.numel() else 0.0) > largest:
        raise CannotSave(
            f"a number of the stack is beyond {largest:g}, the largest of {dtype}. Choose another dtype"
        )
    return tensor.to(dtype).contiguous()
