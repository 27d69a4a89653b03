"""IA³: W' = W ⊙ (1 + s·w), one number per input or per output (Liu et al. 2022; LyCORIS modules/ia3.py).

PEFT stores 1 + w as `ia3_l`, (out, 1) or (1, in), and turns the bias with the outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from .adapter import Adapter, AdapterKind
from .change import Reorder, columns, rows
from .roles import Roles, has_all, read_number, require, used

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class IA3(Adapter):
    """`vector` (in,) or (out,), the change of the factor at strength 1."""

    kind: ClassVar[str] = "IA3"
    needs_weight: ClassVar[bool] = True
    unlike_host: ClassVar[str] = "ComfyUI does not know this format and would leave it out"

    vector: Tensor
    on_input: bool

    def fits(self, shape: tuple[int, ...]) -> bool:
        return self._axis(shape) is not None

    def _axis(self, shape: tuple[int, ...]) -> int | None:
        """The dimension of a weight that is scaled: the one the file says, else the one that is as long.

        A length that only one side has is surer than a flag, which converters lose.
        """
        said = int(self.on_input)
        return next((n for n in (said, 1 - said) if shape[n : n + 1] == (self.vector.numel(),)), None)

    def apply(
        self, weight: Tensor, strength: float, dtype: torch.dtype, reorder: Reorder | None = None
    ) -> Tensor:
        """Scale `weight` in place."""
        vector = self.vector.to(weight.device, dtype).mul(strength).add_(1)
        if self._axis(tuple(weight.shape)) == 1:
            return weight.mul_(columns(vector, weight))
        by_row = rows(vector, weight)
        return weight.mul_(by_row if reorder is None else reorder(by_row))


def from_roles(tensors: Roles) -> tuple[IA3, set[str]] | None:
    """The IA³ of a layer and the roles it used, or None."""
    if "ia3_l" in tensors:
        factor = tensors["ia3_l"]
        if factor.ndim != 2:
            return None  # a convolution's does not say which axis it is for
        require(factor.numel() == max(factor.shape), tensors, "ia3_l")
        return IA3(factor.flatten().float() - 1, factor.shape[0] == 1 < factor.numel()), {"ia3_l"}
    if not has_all(tensors, "on_input", "ia3_weight"):
        return None
    vector = tensors["ia3_weight"]
    require(vector.numel() == max(vector.shape, default=0), tensors, "ia3_weight")
    return IA3(vector.flatten(), read_number(tensors, "on_input") != 0), used(
        tensors, "on_input", "ia3_weight"
    )


def beside_from_roles(tensors: Roles) -> dict[str, list[Adapter]]:
    """What PEFT's IA³ does to the bias where it works on the outputs (tuners/ia3/layer.py `Linear.merge`)."""
    found = from_roles(tensors) if "ia3_l" in tensors else None
    return {} if found is None or found[0].on_input else {"bias": [found[0]]}


KIND = AdapterKind(
    from_roles,
    (IA3,),
    # The vector of LyCORIS is spelled `.weight` and known by this neighbour alone.
    suffixes={".on_input": "on_input"},
    peft={"ia3_l": "ia3_l"},
    beside_from_roles=beside_from_roles,
    counts=frozenset({"on_input"}),
    least_axes={"on_input": 0},
)
