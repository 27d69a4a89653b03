"""Conditioning of a sweep: what each group of a batch would have been given alone.

A group is the rows of one strength. The host repeats a conditioning over the rows of a batch in ways that
depend on the model (comfy/conds.py, `resize_to_batch_size`); written out row by row, all of them agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import comfy.conds
import comfy.controlnet
import torch
from torch import Tensor

from ....lora_core.axes import Axis, strength_label
from ....lora_core.errors import SweepMismatch

# In a conditioning's dictionary: a PerGroup.
PER_GROUP = "lora_rack_rows_per_strength"

Conds = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class PerGroup:
    """The names of a conditioning's tensors that have a row per group, and whose strengths those are."""

    names: frozenset[str]
    axes: tuple[Axis, ...]


@dataclass(frozen=True)
class CondPart:
    """Some groups that are sampled together. `size` is the rows of each."""

    groups: range
    size: int

    @property
    def rows(self) -> slice:
        """Its rows in the whole batch."""
        return slice(self.groups.start * self.size, self.groups.stop * self.size)

    @property
    def row_groups(self) -> list[int]:
        """The group of each of its rows."""
        return [group for group in self.groups for _ in range(self.size)]


def check(conds: Conds, axes: tuple[Axis, ...]) -> None:
    """Raise SweepMismatch where a conditioning has the rows of other strengths than these axes give."""
    for found in (cond for several in conds.values() for cond in several):
        encoded = found.get(PER_GROUP)
        if encoded is not None and encoded.axes != axes:
            raise SweepMismatch(
                f"a prompt was encoded for a sweep of {_named(encoded.axes)}, but this sweep is of "
                f"{_named(axes)}. Connect the sweep that gives this model to Encode Prompt for Sweep"
            )


def _named(axes: tuple[Axis, ...]) -> str:
    return " and ".join(f"{axis.name} at {', '.join(map(strength_label, axis.values))}" for axis in axes)


def why_merged(conds: Conds) -> str:
    """Why strengths must be written into the weights for these conditionings; empty where they need not."""
    controls = (control for several in conds.values() for cond in several for control in _controls(cond))
    if any(isinstance(control, comfy.controlnet.ControlLora) for control in controls):
        return "a Control-LoRA uses the model's weights as its own"
    return ""


def why_alone(conds: Conds, size: int) -> str:
    """Why these conditionings can serve one group at a time only; empty where they can serve many."""
    for found in (cond for several in conds.values() for cond in several):
        for name, tensor in _tensors(found):
            if tensor.shape[0] not in (1, size) and name not in _names(found):
                return (
                    f"the conditioning has {tensor.shape[0]} rows of {name} for {size} "
                    f"{'latent' if size == 1 else 'latents'}"
                )
    return ""


def of_part(conds: Conds, part: CondPart) -> dict[str, list[dict[str, Any]]]:
    """The conditionings of a part, new lists and dictionaries: sampling writes into them."""
    return {kind: [_of_part(cond, part) for cond in several] for kind, several in conds.items()}


def _of_part(cond: Mapping[str, Any], part: CondPart) -> dict[str, Any]:
    per_group = _names(cond)

    def rows_of(name: str, tensor: Tensor) -> Tensor:
        if name in per_group:
            picked = tensor[part.groups.start : part.groups.stop]
            return picked.repeat_interleave(part.size, dim=0) if part.size > 1 else picked
        if 1 < tensor.shape[0] == part.size and len(part.groups) > 1:
            return tensor.repeat(len(part.groups), *[1] * (tensor.ndim - 1))
        return tensor

    return {name: _mapped(name, value, rows_of) for name, value in cond.items() if name != PER_GROUP}


def _names(cond: Mapping[str, Any]) -> frozenset[str]:
    encoded = cond.get(PER_GROUP)
    return frozenset() if encoded is None else encoded.names


def _mapped(name: str, value: Any, change: Callable[[str, Tensor], Tensor]) -> Any:
    if _is_batch(name, value):
        return change(name, value)
    if isinstance(value, list) and value and all(_is_batch(name, item) for item in value):
        return [change(name, item) for item in value]
    if isinstance(value, comfy.conds.CONDRegular):
        # The host's CONDConstant holds what is not of the batch, CONDList a list of tensors.
        inner = value.cond
        return (
            value
            if isinstance(value, comfy.conds.CONDConstant)
            else type(value)(_mapped(name, inner, change))
        )
    if name == "model_conds":
        return {key: _mapped(key, item, change) for key, item in value.items()}
    return value


def _tensors(cond: Mapping[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a conditioning whose first dimension is the batch's, controls included."""
    found: list[tuple[str, Tensor]] = []

    def note(name: str, tensor: Tensor) -> Tensor:
        found.append((name, tensor))
        return tensor

    for name, value in cond.items():
        _mapped(name, value, note)
    for control in _controls(cond):
        # Repeated by the host over whole groups as it should be, so nothing but the count matters.
        hint = getattr(control, "cond_hint_original", None)
        if isinstance(hint, torch.Tensor):
            found.append(("the control picture", hint))
    yield from found


def _controls(cond: Mapping[str, Any]) -> Iterator[Any]:
    """The ControlNets of a conditioning, those before the last included."""
    control = cond.get("control")
    while control is not None:
        yield control
        control = getattr(control, "previous_controlnet", None)


def _is_batch(name: str, value: Any) -> bool:
    # A mask may come without a batch: (H, W).
    return isinstance(value, torch.Tensor) and value.ndim > (2 if name == "mask" else 0)
