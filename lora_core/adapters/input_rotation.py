"""OFT and BOFT of PEFT and of OneTrainer: the inputs turned, W′ = W·Tᵀ with T = (1 − s)·I + s·R.

Each block of R is a Cayley transform of a skew-symmetric Q. OFT keeps the upper triangles of Q, (number,
b·(b − 1)/2), and takes the first terms of R's Neumann series, I + 2Q + 2Q² + 2Q³ + Q⁴ (Qiu et al. 2025,
section 4.2; PEFT tuners/oft/layer.py `_cayley_batch`); OneTrainer's `scaled_oft` divides Q by 2·√(b − 1)
(modules/module/oft_utils.py). BOFT, and OFT of PEFT 0.14 and 0.15, keep whole blocks, Q = (blocks −
blocksᵀ)/2, and a factor for every output (tuners/boft/layer.py). A convolution's inputs are those of its
kernel too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from .adapter import Adapter, AdapterKind
from .change import Reorder, rows
from .oft import OFT
from .roles import BadTensors, Roles, require, used

if TYPE_CHECKING:
    from torch import Tensor

_UNKNOWN_TO_THE_HOST = "ComfyUI does not know it and would leave it out"


@dataclass(frozen=True, eq=False)
class InputOFT(Adapter):
    """`triangles` (number, b·(b − 1)/2); one alone stands for every block of the inputs."""

    kind: ClassVar[str] = "OFT"
    needs_weight: ClassVar[bool] = True
    takes_lengths: ClassVar[bool] = True
    unlike_host: ClassVar[str] = _UNKNOWN_TO_THE_HOST

    triangles: Tensor
    is_scaled: bool

    @property
    def block(self) -> int:
        """b, the inputs a block turns."""
        return _block_of(self.triangles.shape[1])

    def fits(self, shape: tuple[int, ...]) -> bool:
        inputs, number = math.prod(shape[1:]), self.triangles.shape[0]
        whole = inputs % self.block == 0 if number == 1 else inputs == number * self.block
        return len(shape) >= 2 and whole

    def apply(
        self, weight: Tensor, strength: float, dtype: torch.dtype, reorder: Reorder | None = None
    ) -> Tensor:
        """Turn the inputs of `weight` in place. Its rows keep their places, so nothing is reordered."""
        triangles = self.triangles.to(weight.device, torch.float32)
        first, second = torch.triu_indices(self.block, self.block, 1, device=weight.device)
        q = triangles.new_zeros(triangles.shape[0], self.block, self.block)
        q[:, first, second] = triangles
        q = q - q.mT
        if self.is_scaled:
            q = q / (2 * math.sqrt(self.block - 1))
        squared = torch.bmm(q, q)
        turn = (2 * q + torch.bmm(squared, 2 * q + squared).add_(squared, alpha=2)).mul_(strength)
        inputs = weight.to(dtype).reshape(weight.shape[0], -1, self.block).transpose(0, 1)
        turned = torch.matmul(inputs, turn.mT.to(dtype)).transpose(0, 1)
        return weight.add_(turned.reshape(weight.shape).to(weight.dtype))


@dataclass(frozen=True, eq=False)
class InputBOFT(Adapter):
    """`blocks` (stages, number, b, b) and a factor for every output at strength 1, (out,)."""

    needs_weight: ClassVar[bool] = True
    takes_lengths: ClassVar[bool] = True
    unlike_host: ClassVar[str] = _UNKNOWN_TO_THE_HOST

    blocks: Tensor
    factor: Tensor

    @property
    def kind(self) -> str:
        return "BOFT" if self.blocks.shape[0] > 1 else "OFT"

    def fits(self, shape: tuple[int, ...]) -> bool:
        inputs = self.blocks.shape[1] * self.blocks.shape[2]
        return len(shape) >= 2 and math.prod(shape[1:]) == inputs and shape[0] == self.factor.numel()

    def apply(
        self, weight: Tensor, strength: float, dtype: torch.dtype, reorder: Reorder | None = None
    ) -> Tensor:
        """Go from `weight` to what PEFT makes of it by the strength, in place."""
        blocks = self.blocks.to(weight.device, torch.float32)
        q = (blocks - blocks.mT) / 2
        identity = torch.eye(q.shape[-1], device=q.device)
        turns = torch.linalg.solve(identity + q, identity - q, left=False).to(dtype)
        columns = weight.to(dtype).flatten(1).T
        for stage, turn in enumerate(turns):
            order = _butterfly(columns.shape[0], turn.shape[-1], stage).to(weight.device)
            met = columns[order].view(*turn.shape[:2], -1)
            columns = torch.empty_like(columns).index_copy_(0, order, torch.bmm(turn, met).flatten(0, 1))
        factor = rows(self.factor.to(weight.device, dtype), weight)
        if reorder is not None:
            factor = reorder(factor)
        return weight.lerp_((columns.T.reshape(weight.shape) * factor).to(weight.dtype), strength)


def _butterfly(inputs: int, block: int, stage: int) -> Tensor:
    """The inputs in the order in which the blocks of a stage meet them: halves of blocks from both halves of
    a group of 2^stage blocks, in turn (tuners/boft/layer.py `block_butterfly_perm`, the other way round).
    """
    return torch.arange(inputs).view(-1, 2, 2**stage, block // 2).transpose(1, 2).reshape(-1)


def _block_of(numbers: int) -> int:
    """b of b·(b − 1)/2 numbers; 0 where there is none."""
    block = (1 + math.isqrt(1 + 8 * numbers)) // 2
    return block if block * (block - 1) // 2 == numbers else 0


def from_roles(tensors: Roles) -> tuple[Adapter, set[str]] | None:
    """The rotation of a layer's inputs and the roles it used, or None."""
    for role, factor in (("boft_r", "boft_s"), ("oft_r", "oft_s")):
        if role in tensors:
            return _whole_blocks(tensors, role, factor)
    if "oft_triangles" not in tensors:
        return None
    triangles = tensors["oft_triangles"]
    require(triangles.ndim == 2 and _block_of(triangles.shape[1]) > 1, tensors, "oft_triangles")
    return InputOFT(triangles, "scaled_oft" in tensors), used(tensors, "oft_triangles", "scaled_oft")


def _whole_blocks(tensors: Roles, role: str, factor: str) -> tuple[Adapter, set[str]]:
    stored = tensors[role]
    blocks = stored if stored.ndim == 4 else stored.reshape(1, *stored.shape)
    square = blocks.ndim == 4 and blocks.shape[-1] == blocks.shape[-2]
    require(square and (blocks.shape[0] == 1 or blocks.shape[-1] % 2 == 0), tensors, role)
    if factor not in tensors:
        if role == "boft_r":
            raise BadTensors(role, f"has no {factor!r} beside it")
        # PEFT before 0.14 turned the outputs, R = (I − Q)·(I + Q)⁻¹, which is oft.py's of −Q.
        require(stored.ndim == 3, tensors, role)
        return OFT(stored * -0.5, None, 0.0), used(tensors, role)
    return InputBOFT(blocks, tensors[factor].flatten()), used(tensors, role, factor)


KIND = AdapterKind(
    from_roles,
    (InputOFT, InputBOFT),
    suffixes={".oft_R.weight": "oft_triangles", ".oft_R.scaled_oft": "scaled_oft"},
    peft={
        "oft_R": "oft_triangles",
        "oft_r": "oft_r",
        "oft_s": "oft_s",
        "boft_R": "boft_r",
        "boft_s": "boft_s",
    },
    counts=frozenset({"scaled_oft"}),
    least_axes={"scaled_oft": 0, "oft_triangles": 2, **dict.fromkeys(("boft_r", "oft_r"), 3)},
)
