"""OFT and BOFT: the weight turned by orthogonal blocks, W' = rescale ⊙ (M·W).

Each block is a Cayley transform, R = (I + Q)(I − Q)⁻¹ of Q = blocks − blocksᵀ, and at strength s stands for
(1 − s)·I + s·R (Qiu et al. 2023; LyCORIS modules/diag_oft.py and boft.py `make_weight`). alpha is no scale
here but a bound on ‖Q‖, kept by the trainers as bound / out (sd-scripts networks/oft.py, LyCORIS).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from .adapter import Adapter, AdapterKind
from .change import Reorder
from .roles import BadTensors, Roles, read_number, require, used

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class _Turn(Adapter):
    """Blocks (…, number, size, size) along the outputs; number · size = out."""

    needs_weight: ClassVar[bool] = True
    takes_lengths: ClassVar[bool] = True

    blocks: Tensor
    rescale: Tensor | None  # (out,)
    bound: float  # of ‖Q‖; 0 is none

    @property
    def out(self) -> int:
        return self.blocks.shape[-3] * self.blocks.shape[-2]


@dataclass(frozen=True, eq=False)
class OFT(_Turn):
    """One stage: blocks (number, size, size)."""

    kind: ClassVar[str] = "OFT"
    unlike_host: ClassVar[str] = (
        "turned once by the strength, with bound and rescale, as in LyCORIS; "
        "ComfyUI squares the strength, drops rescale and misreads the bound"
    )

    def fits(self, shape: tuple[int, ...]) -> bool:
        return len(shape) >= 2 and shape[0] == self.out

    def apply(
        self, weight: Tensor, strength: float, dtype: torch.dtype, reorder: Reorder | None = None
    ) -> Tensor:
        """Turn the rows of `weight` in place."""
        turn = _interpolated(self.blocks.to(weight.device), self.bound, strength).mT
        if self.rescale is not None:
            turn = turn * self.rescale.to(turn).view(self.blocks.shape[0], -1, 1)
        turned = torch.bmm(turn.to(dtype), _stacked(weight, reorder, dtype, self.blocks.shape[0]))
        return _put_back(weight, turned, reorder)


@dataclass(frozen=True, eq=False)
class OFTByParts(Adapter):
    """An OFT for each part of a fused weight's rows: sd-scripts' of Flux (networks/oft_flux.py).

    `parts` are (blocks, bound) in the order of the rows, such as q, k, v and the MLP's.
    """

    kind: ClassVar[str] = "OFT"
    needs_weight: ClassVar[bool] = True
    takes_lengths: ClassVar[bool] = True
    unlike_host: ClassVar[str] = "ComfyUI does not know it and would leave it out"

    parts: tuple[tuple[Tensor, float], ...]

    def fits(self, shape: tuple[int, ...]) -> bool:
        return len(shape) >= 2 and shape[0] == sum(turn.out for turn in self._turns)

    def apply(
        self, weight: Tensor, strength: float, dtype: torch.dtype, reorder: Reorder | None = None
    ) -> Tensor:
        """Turn the rows of `weight` in place, each part by itself."""
        ordered = weight if reorder is None else reorder(weight)
        start = 0
        for turn in self._turns:
            turn.apply(ordered.narrow(0, start, turn.out), strength, dtype)
            start += turn.out
        return weight if reorder is None else weight.copy_(reorder(ordered))

    @property
    def _turns(self) -> tuple[OFT, ...]:
        return tuple(OFT(blocks, None, bound) for blocks, bound in self.parts)


@dataclass(frozen=True, eq=False)
class BOFT(_Turn):
    """Blocks (stages, number, size, size); each stage turns groups of rows further apart than the last."""

    kind: ClassVar[str] = "BOFT"
    unlike_host: ClassVar[str] = (
        "every stage turned once by the strength, as in LyCORIS; "
        "ComfyUI applies the strength twice, misreads the bound, and applies nothing without alpha"
    )

    def fits(self, shape: tuple[int, ...]) -> bool:
        stages, _, size, _ = self.blocks.shape
        return len(shape) >= 2 and shape[0] == self.out and self.out % (2 ** (stages - 1) * size) == 0

    def apply(
        self, weight: Tensor, strength: float, dtype: torch.dtype, reorder: Reorder | None = None
    ) -> Tensor:
        """Turn the rows of `weight` in place, stage by stage."""
        stages, number, size, _ = self.blocks.shape
        turns = _interpolated(self.blocks.to(weight.device), self.bound, strength).to(dtype)
        rows = _stacked(weight, reorder, dtype, 1)[0]
        for stage in range(stages):
            # Rows (c, 2, k) are met as (c, k, 2): at stage i those 2^i · size / 2 apart come together.
            pairs = rows.view(-1, 2, 2**stage * size // 2, rows.shape[1]).transpose(1, 2)
            turned = torch.bmm(turns[stage], pairs.reshape(number, size, -1))
            rows = turned.view(pairs.shape).transpose(1, 2).reshape(rows.shape)
        if self.rescale is not None:
            rows = rows * self.rescale.to(rows).view(-1, 1)
        return _put_back(weight, rows, reorder)


def _interpolated(blocks: Tensor, bound: float, strength: float) -> Tensor:
    """(1 − s)·I + s·R for every block, in float32: half precision has no inverse."""
    blocks = blocks.float()
    q = blocks - blocks.mT
    if bound > 0:
        q = q * (bound / torch.linalg.vector_norm(q).clamp_min(bound))
    identity = torch.eye(q.shape[-1], device=q.device)
    rotation = torch.linalg.solve(identity - q, identity + q, left=False)
    return torch.lerp(identity.expand_as(rotation), rotation, strength)


def _stacked(weight: Tensor, reorder: Reorder | None, dtype: torch.dtype, number: int) -> Tensor:
    """The weight in the order its blocks know, as (number, out / number, in · kernel)."""
    ordered = weight if reorder is None else reorder(weight)
    return ordered.to(dtype).reshape(number, weight.shape[0] // number, -1)


def _put_back(weight: Tensor, turned: Tensor, reorder: Reorder | None) -> Tensor:
    turned = turned.view(weight.shape)
    return weight.copy_(turned if reorder is None else reorder(turned))


_PARTS = tuple(f"oft_blocks_{number}" for number in range(8))


def from_roles(tensors: Roles) -> tuple[Adapter, set[str]] | None:
    """The OFT or BOFT of a layer and the roles it used, or None."""
    if "oft_blocks" not in tensors:
        return _by_parts(tensors)
    blocks = tensors["oft_blocks"]
    square = blocks.ndim in (3, 4) and blocks.shape[-1] == blocks.shape[-2]
    require(square and (blocks.ndim == 3 or blocks.shape[-1] % 2 == 0), tensors, "oft_blocks")
    out = blocks.shape[-3] * blocks.shape[-2]
    rescale = None
    if "rescale" in tensors:
        rescale = tensors["rescale"].flatten()
        require(rescale.numel() == out, tensors, "oft_blocks", "rescale")
    made = (OFT if blocks.ndim == 3 else BOFT)(blocks, rescale, _bound(tensors, out))
    return made, used(tensors, "oft_blocks", "rescale")


def _by_parts(tensors: Roles) -> tuple[Adapter, set[str]] | None:
    roles = [role for role in _PARTS if role in tensors]
    if not roles:
        return None
    if tuple(roles) != _PARTS[: len(roles)]:
        raise BadTensors(roles[-1], "has no oft_blocks of a part before it")
    parts: list[tuple[Tensor, float]] = []
    for role in roles:
        blocks = tensors[role]
        require(blocks.ndim == 3 and blocks.shape[1] == blocks.shape[2], tensors, role)
        parts.append((blocks, _bound(tensors, blocks.shape[0] * blocks.shape[1])))
    return OFTByParts(tuple(parts)), used(tensors, *roles)


def _bound(tensors: Roles, out: int) -> float:
    return max(read_number(tensors, "alpha") * out, 0.0) if "alpha" in tensors else 0.0


KIND = AdapterKind(
    from_roles,
    (OFT, OFTByParts, BOFT),
    suffixes={
        ".oft_blocks": "oft_blocks",
        ".rescale": "rescale",
        **{f".oft_blocks.{number}": role for number, role in enumerate(_PARTS)},
    },
    least_axes=dict.fromkeys(("oft_blocks", *_PARTS), 3),
)
