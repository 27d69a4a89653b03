"""A stack as one ordinary LoRA file: planned, with its size and error known, then written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod, sqrt
from pathlib import Path

import torch
from torch import Tensor

from ..changes import (
    ChangedWeight,
    StackRow,
    StackSide,
    WeightChange,
    change_of,
    changed_weights,
    left_out,
    merged,
    needs_weight,
)
from ..errors import CannotSave
from ..key_maps import Target
from ..merging import SUM, Method
from .compress import spectral
from .facts import facts_of_stack
from .layers import SavedWeight, save_weight
from .naming import NamedLayer, Namer
from .sizing import LOSSLESS, Size, choose_ranks

_ORDER = (torch.float32, torch.bfloat16, torch.float16, torch.float8_e4m3fn)


@dataclass(frozen=True, eq=False)
class SavePlan:
    """A file that is ready to be written."""

    weights: tuple[SavedWeight, ...]
    notes: tuple[str, ...]
    files: tuple[Path, ...]  # what it was made of
    facts: Mapping[str, str]  # what it says of itself, but for its hashes

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Everything that is written, by key, in the order safetensors' own writer has."""
        found = {key: tensor for weight in self.weights for key, tensor in weight.tensors.items()}
        return dict(sorted(found.items(), key=lambda item: (_place(item[1].dtype), item[0])))

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


def _place(dtype: torch.dtype) -> tuple[int, str]:
    """Of a dtype among others: those this pack writes first."""
    return (_ORDER.index(dtype) if dtype in _ORDER else len(_ORDER), str(dtype))


def plan_save(
    rows: Sequence[StackRow],
    sides: Sequence[StackSide] = (),
    size: Size = LOSSLESS,
    dtype: torch.dtype = torch.float32,
    naming: str = "as is",
    method: Method = SUM,
    without_windows: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> SavePlan:
    """Work a stack out. Raises CannotSave, FitError, BadBlockText or FileError; nothing is written.

    `sides` are the connected models; without them the files' own names are kept.
    """
    notes = [*_without_windows(rows, without_windows), *left_out(rows, sides)]
    if naming != "as is" and not sides:
        raise CannotSave(
            f"the names that {naming} has for layers take a model. Name it, or keep the files' names"
        )
    weights = changed_weights(rows, sides)
    if not weights:
        raise CannotSave("the stack changes nothing, so there is nothing to save")
    namers = (
        {side.is_text_encoder: Namer(naming, side.key_map, side.is_text_encoder) for side in sides}
        if naming != "as is"
        else {}
    )
    _require_names(weights, namers, naming)
    changes: dict[str, WeightChange] = {}
    for done, weight in enumerate(weights, start=1):
        changes[weight.key] = _change(weight, method)
        progress(done, len(weights))
    reduced = _reduced(weights, changes, size, dtype)
    saved = [
        save_weight(
            weight.place.block,
            _layers(weight, namers.get(weight.is_text_encoder)),
            reduced[weight.key][0],
            dtype,
            *reduced[weight.key][1:],
        )
        for weight in weights
    ]
    files = tuple(row.lora.stamp.path for row in rows)
    return SavePlan(tuple(saved), tuple(notes), files, facts_of_stack(rows, method))


def _require_names(weights: Sequence[ChangedWeight], namers: Mapping[bool, Namer], naming: str) -> None:
    """Raises CannotSave for layers of what is not connected, where it has to tell the names asked for."""
    stranger = next((weight for weight in weights if weight.is_text_encoder not in namers), None)
    if naming != "as is" and stranger is not None:
        what = "text encoder" if stranger.is_text_encoder else "diffusion model"
        raise CannotSave(
            f"{stranger.name} is a layer of the {what}, and its name in {naming} takes the {what}. "
            f"Connect or name that too, keep the files' names, or set the strength for the {what} to 0"
        )


def _layers(weight: ChangedWeight, namer: Namer | None) -> Sequence[NamedLayer]:
    return [NamedLayer(weight.name, Target(weight.key))] if namer is None else namer.layers(weight.key)


def _without_windows(rows: Sequence[StackRow], allowed: bool) -> list[str]:
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


def _change(weight: ChangedWeight, method: Method) -> WeightChange:
    steps = weight.steps()
    kinds = needs_weight(steps)
    base = weight.weight(weight.key) if kinds else None
    if kinds and base is None:
        raise CannotSave(
            f"{weight.name}: the change of {' and '.join(kinds)} depends on the model's weight. "
            "Name the model, or connect it"
        )
    if method == SUM:
        return change_of(steps, weight.shape, base)
    rows = [weight.steps(row) for row in weight.changing]
    return merged(rows, weight.shape, method, weight.key, base)


def _reduced(
    weights: Sequence[ChangedWeight], changes: Mapping[str, WeightChange], size: Size, dtype: torch.dtype
) -> dict[str, tuple[WeightChange, float, float]]:
    """Each change as it is written, its energy, and what was lost of it."""
    if size.is_lossless:
        return {key: (change, 0.0, 0.0) for key, change in changes.items()}
    matrices = {w.key for w in weights if len(w.shape) > 1 and not w.is_bias}
    spectra = {key: spectral(changes[key].as_factors()) for key in changes if key in matrices}
    whole = sum(prod(change.shape) for key, change in changes.items() if key not in spectra)
    other_bytes = header_bound([w.name for w in weights], len(weights[0].rows)) + whole * dtype.itemsize
    ranks = choose_ranks(spectra, size, dtype, other_bytes)
    reduced = {key: (change, 0.0, 0.0) for key, change in changes.items()}
    for key, found in spectra.items():
        rank = ranks[key]
        reduced[key] = (found.cut(rank), found.energy, found.lost(rank))
    return reduced


def header_bound(names: Sequence[str], files: int) -> int:
    """At most so many bytes come before the tensors: names, and what the file says of itself."""
    return sum(3 * (len(name) + 120) for name in names) + 1000 + 500 * files
