"""DoRA on any of the other kinds: V = W + ΔW is given the stored lengths of its rows or columns.

LyCORIS keeps `dora_scale`, (out, 1, …) or (1, in, …), and at strength s multiplies V by 1 + s·(m / ‖V‖ − 1)
(functional/general.py `weight_decompose`). PEFT keeps `lora_magnitude_vector`, (out,) or (1, out, 1, 1),
scales ΔW by the strength and always multiplies by m / ‖V‖ (tuners/lora/dora.py; Liu et al. 2024, equation 5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from .change import Reorder, columns, rows
from .glora import GLoRA
from .loha import LoHa
from .lokr import LoKr
from .low_rank import LowRank
from .oft import BOFT, OFT
from .roles import BadTensors, Roles

if TYPE_CHECKING:
    from torch import Tensor

Inner = LowRank | LoHa | LoKr | GLoRA | OFT | BOFT


@dataclass(frozen=True, eq=False)
class _Decorated:
    """Another adapter, and the lengths its sum with the weight is given."""

    needs_weight: ClassVar[bool] = True

    inner: Inner
    magnitude: Tensor

    def _fits_axis(self, shape: tuple[int, ...], axis: int) -> bool:
        return self.inner.fits(shape) and self.magnitude.numel() == shape[axis]

    @property
    def kind(self) -> str:
        return f"DoRA on {self.inner.kind}"

    @property
    def rank(self) -> int | None:
        return self.inner.rank

    @property
    def change_shape(self) -> tuple[int, int] | None:
        return self.inner.change_shape


@dataclass(frozen=True, eq=False)
class DoRA(_Decorated):
    """LyCORIS: `magnitude` (out,) or, with `on_input`, (in,)."""

    unlike_host: ClassVar[str] = (
        "row lengths are measured after the change, and the strength acts as in LyCORIS; "
        "ComfyUI measures them before the change and blends the result with the weight"
    )

    on_input: bool

    def fits(self, shape: tuple[int, ...]) -> bool:
        return len(shape) >= 2 and self._fits_axis(shape, int(self.on_input))

    def apply(
        self, weight: Tensor, strength: float, dtype: torch.dtype, reorder: Reorder | None = None
    ) -> Tensor:
        """Add the whole change to `weight` in place, then bring rows or columns nearer to their length."""
        self.inner.apply(weight, 1.0, dtype, reorder)
        shaped = columns if self.on_input else rows
        # The length is never 0: LyCORIS adds the dtype's eps too.
        length = _length(weight, self.on_input) + torch.finfo(dtype).eps
        magnitude = shaped(self.magnitude.to(weight.device, length.dtype), weight)
        if reorder is not None and not self.on_input:
            magnitude = reorder(magnitude)
        factor = magnitude.div(shaped(length, weight)).sub_(1).mul_(strength).add_(1)
        return weight.mul_(factor)


@dataclass(frozen=True, eq=False)
class PeftDoRA(_Decorated):
    """PEFT: `magnitude` (out,)."""

    unlike_host: ClassVar[str] = "ComfyUI does not read the magnitudes and would apply a plain LoRA"

    def fits(self, shape: tuple[int, ...]) -> bool:
        return len(shape) >= 2 and self._fits_axis(shape, 0)

    def apply(
        self, weight: Tensor, strength: float, dtype: torch.dtype, reorder: Reorder | None = None
    ) -> Tensor:
        """Add the change to `weight` in place, then give its rows their length."""
        self.inner.apply(weight, strength, dtype, reorder)
        length = _length(weight, on_input=False).clamp_min(torch.finfo(torch.float32).tiny)
        magnitude = rows(self.magnitude.to(weight.device, length.dtype), weight)
        if reorder is not None:
            magnitude = reorder(magnitude)
        return weight.mul_(magnitude.div(rows(length, weight)))


def _length(weight: Tensor, on_input: bool) -> Tensor:
    """Euclidean length of every row, or of every input's numbers over all outputs and the kernel."""
    others = [axis for axis in range(weight.ndim) if axis != int(on_input)]
    dtype = torch.promote_types(weight.dtype, torch.float32)
    length: Tensor = torch.linalg.vector_norm(weight, dim=others, dtype=dtype)
    return length


def wrap(inner: Inner, tensors: Roles) -> tuple[Inner | DoRA | PeftDoRA, set[str]]:
    """The adapter with the magnitudes of its layer, if there are any, and the roles used."""
    if "dora_scale" in tensors:
        magnitude = tensors["dora_scale"]
        on_input = magnitude.ndim >= 2 and magnitude.shape[0] == 1 < magnitude.numel()
        _check(magnitude, inner, "dora_scale", on_input)
        return DoRA(inner, magnitude.flatten(), on_input), {"dora_scale"}
    if "magnitude" in tensors:
        _check(tensors["magnitude"], inner, "magnitude", on_input=False)
        return PeftDoRA(inner, tensors["magnitude"].flatten()), {"magnitude"}
    return inner, set()


def _check(magnitude: Tensor, inner: Inner, role: str, on_input: bool) -> None:
    one_axis = magnitude.numel() == max(magnitude.shape, default=1)
    shape = inner.change_shape
    fits = shape is None or (shape[1] % magnitude.numel() == 0 if on_input else shape[0] == magnitude.numel())
    if not (one_axis and fits):
        problem = f"of shape {list(magnitude.shape)} does not have one number per row or per input"
        raise BadTensors(role, problem + (f" of a weight of {list(shape)}" if shape else ""))
