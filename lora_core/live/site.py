"""A module whose output is linear in its weight: its sizes, and where its channels lie."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from .surroundings import Surroundings

Slice = tuple[int, int, int] | None


@dataclass(frozen=True)
class Site:
    """A module whose output is linear in its weight, and how its tensors lie."""

    module: nn.Module
    path: str
    shape: tuple[int, ...]  # of the weight, whatever form it is stored in
    spatial: int  # dimensions of a convolution, 0 of a linear layer
    surroundings: Surroundings

    @classmethod
    def of(cls, module: nn.Module, path: str, surroundings: Surroundings) -> Site | None:
        """None where a change of the weight is not one of the output, or nobody knows."""
        linear = surroundings.linear_shape(module)
        if linear is not None:
            return cls(module, path, linear, 0, surroundings)
        if isinstance(module, nn.modules.conv._ConvNd) and not module.transposed:
            shape = (module.out_channels, module.in_channels // module.groups, *module.kernel_size)
            return cls(module, path, shape, len(module.kernel_size), surroundings)
        return None

    def channels(self, tensor: Tensor) -> int:
        """The dimension its channels lie along."""
        return tensor.ndim - 1 - self.spatial

    def part_of(self, tensor: Tensor, place: Slice, along: int) -> Tensor:
        """The channels of a slice of the weight: of an output along 0, of an input along 1."""
        if place is None or place[0] != along:
            return tensor
        return tensor.narrow(self.channels(tensor), place[1], place[2])

    def apply(self, weight: Tensor, x: Tensor) -> Tensor:
        """The module's output with another weight and no bias."""
        if not self.spatial:
            return F.linear(x, weight)
        return self.surroundings.run(self.module, {"weight": weight, "bias": None}, ((x,), {}))

    def spread(self, factors: Tensor, out: Tensor) -> Tensor:
        """(rows, channels) shaped to multiply `out`."""
        ones = [1] * (out.ndim - 2 - self.spatial)
        return factors.view(factors.shape[0], *ones, factors.shape[1], *[1] * self.spatial)
