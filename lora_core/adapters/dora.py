"""DoRA on another kind: V = W + ΔW is given the stored lengths m of its rows or columns (Liu et al. 2024).

    W′ = W + s·(V·m/‖V‖ − W)

so strength is a fader from the weight to what the trainer's library makes of it at 1. LyCORIS keeps
`dora_scale`, (out, 1, …) or (1, in, …) (functional/general.py `weight_decompose`); PEFT keeps
`lora_magnitude_vector`, (out,) or (1, out, 1, 1) (tuners/lora/dora.py), which ai-toolkit calls `magnitude`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from .adapter import Adapter
from .change import Reorder, columns, rows
from .roles import BadTensors, Roles

if TYPE_CHECKING:
    from torch import Tensor

SUFFIXES = {".dora_scale": "dora_scale", ".magnitude": "magnitude"}
PEFT = {"lora_magnitude_vector": "magnitude"}
ROLES = frozenset({"dora_scale", "magnitude"})


@dataclass(frozen=True, eq=False)
class DoRA(Adapter):
    """`magnitude` (out,) or, with `on_input`, (in,): the lengths the sum with the weight is given."""

    needs_weight: ClassVar[bool] = True

    inner: Adapter
    magnitude: Tensor
    on_input: bool = False

    @property
    def kind(self) -> str:
        return f"DoRA on {self.inner.kind}"

    @property
    def unlike_host(self) -> str:
        if self.on_input:
            return ""
        return (
            "row lengths are measured after the change, as LyCORIS trains it; "
            "ComfyUI measures them before the change"
        )

    @property
    def rank(self) -> int | None:
        return self.inner.rank

    @property
    def change_shape(self) -> tuple[int, int] | None:
        return self.inner.change_shape

    def fits(self, shape: tuple[int, ...]) -> bool:
        return (
            len(shape) >= 2 and self.inner.fits(shape) and self.magnitude.numel() == shape[int(self.on_input)]
        )

    def apply(
        self, weight: Tensor, strength: float, dtype: torch.dtype, reorder: Reorder | None = None
    ) -> Tensor:
        """Add the whole change to `weight` in place, give it its lengths, and go that way by the strength."""
        if strength != 1:
            return weight.lerp_(self.apply(weight.clone(), 1.0, dtype, reorder), strength)
        self.inner.apply(weight, 1.0, dtype, reorder)
        shaped = columns if self.on_input else rows
        # The length is never 0: LyCORIS adds the dtype's eps too.
        length = _length(weight, self.on_input) + torch.finfo(dtype).eps
        magnitude = shaped(self.magnitude.to(weight.device, length.dtype), weight)
        if reorder is not None and not self.on_input:
            magnitude = reorder(magnitude)
        return weight.mul_(magnitude.div(shaped(length, weight)))


@dataclass(frozen=True, eq=False)
class PeftDoRA(DoRA):
    """The same of PEFT's file, whose lengths are always those of rows."""

    @property
    def unlike_host(self) -> str:
        return "ComfyUI does not read the magnitudes and would apply a plain LoRA"


def _length(weight: Tensor, on_input: bool) -> Tensor:
    """Euclidean length of every row, or of every input's numbers over all outputs and the kernel."""
    others = [axis for axis in range(weight.ndim) if axis != int(on_input)]
    dtype = torch.promote_types(weight.dtype, torch.float32)
    length: Tensor = torch.linalg.vector_norm(weight, dim=others, dtype=dtype)
    return length


def wrap(inner: Adapter, tensors: Roles) -> tuple[Adapter, set[str]]:
    """The adapter with the magnitudes of its layer, if there are any, and the roles used."""
    if not inner.takes_lengths:
        return inner, set()
    for role, cls in (("dora_scale", DoRA), ("magnitude", PeftDoRA)):
        if role in tensors:
            magnitude = tensors[role]
            on_input = role == "dora_scale" and _is_by_input(magnitude, inner.change_shape)
            _check(magnitude, inner, role, on_input)
            return cls(inner, magnitude.flatten(), on_input), {role}
    return inner, set()


def _is_by_input(magnitude: Tensor, shape: tuple[int, int] | None) -> bool:
    """Whether the numbers are those of inputs. Converters have written rows as (1, out) too."""
    if magnitude.ndim < 2 or not magnitude.shape[0] == 1 < magnitude.numel():
        return False
    return shape is None or shape[1] % magnitude.numel() == 0 or shape[0] != magnitude.numel()


def _check(magnitude: Tensor, inner: Adapter, role: str, on_input: bool) -> None:
    one_axis = magnitude.numel() == max(magnitude.shape, default=1)
    shape = inner.change_shape
    fits = shape is None or (shape[1] % magnitude.numel() == 0 if on_input else shape[0] == magnitude.numel())
    if not (one_axis and fits):
        problem = f"of shape {list(magnitude.shape)} does not have one number per row or per input"
        raise BadTensors(role, problem + (f" of a weight of {list(shape)}" if shape else ""))
