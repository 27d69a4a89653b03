"""A tensor of which only the header is known: what a formula asks of the tensors it is made from.

The formulas of adapters/ check shapes, multiply cores into factors and read a few numbers while they are
made; the maths comes later. An `Outline` answers all of that as a torch tensor does and holds no contents,
so that the same code reads a layer from a header and from its tensors.
"""

from __future__ import annotations

import builtins
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from .dtypes import DTYPES, Dtype

_BEYOND_FLOAT32 = (2 - 2**-24) * 2.0**127  # from here on float32 rounds to infinity


@dataclass(frozen=True, eq=False)
class Outline:
    """Shape and dtype of a tensor; `numbers` are the contents of a short one, None where none were read."""

    shape: tuple[int, ...]
    dtype: Dtype
    numbers: tuple[float, ...] | None = None

    @classmethod
    def of(cls, *numbers: float) -> Outline:
        """A vector of these numbers; of whole numbers an integer one."""
        whole = all(isinstance(number, int) for number in numbers)
        return cls((len(numbers),), DTYPES["I64" if whole else "F64"], numbers)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def is_meta(self) -> bool:
        """Whether there are no contents, as torch says of the tensors on its device 'meta'."""
        return self.numbers is None

    def numel(self) -> int:
        return math.prod(self.shape)

    def is_floating_point(self) -> bool:
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        return self.dtype.is_complex

    def is_finite(self) -> bool:
        """Whether the numbers that are known are finite."""
        return all(map(math.isfinite, self.numbers or ()))

    def __float__(self) -> builtins.float:
        (number,) = self.numbers or ()
        return float(number)

    def __iter__(self) -> Iterator[float]:
        return iter(self.numbers or ())

    def element_size(self) -> int:
        return self.dtype.itemsize

    def float(self) -> Outline:
        """The same in single precision, where what is beyond its range is infinite."""
        numbers = self.numbers and tuple(n if abs(n) < _BEYOND_FLOAT32 else math.inf for n in self.numbers)
        return replace(self, dtype=DTYPES["F32"], numbers=numbers)

    def contiguous(self) -> Outline:
        return self

    def flatten(self, start: int = 0) -> Outline:
        if self.ndim <= start:
            return self if self.ndim else self.reshape(1)
        return self.reshape(*self.shape[:start], math.prod(self.shape[start:]))

    def reshape(self, *shape: int) -> Outline:
        return replace(self, shape=shape)

    @property
    def T(self) -> Outline:
        return Outline(self.shape[::-1], self.dtype)

    def __matmul__(self, other: Outline) -> Outline:
        return Outline((*other.shape[:-2], self.shape[0], other.shape[-1]), self.dtype)

    def narrow(self, dimension: int, start: int, length: int) -> Outline:
        """Some of one dimension. What is in it is not known any more."""
        return Outline((*self.shape[:dimension], length, *self.shape[dimension + 1 :]), self.dtype)

    def __mul__(self, number: builtins.float) -> Outline:
        return Outline(self.shape, self.dtype)

    def __sub__(self, number: builtins.float) -> Outline:
        return Outline(self.shape, self.dtype)


def numbers_in(data: bytes, dtype: Dtype) -> tuple[float, ...] | None:
    """The numbers of a tensor of few bytes; None where they are no real numbers."""
    if dtype.name == "BF16":  # the upper half of a float32
        halves = struct.unpack(f"<{len(data) // 2}H", data)
        return struct.unpack(f"<{len(halves)}f", struct.pack(f"<{len(halves)}I", *(n << 16 for n in halves)))
    if dtype.is_complex or not (dtype.code or dtype.is_known):
        return None
    if not data:
        return ()
    if not dtype.code:  # float8, which no scale is stored in as a rule
        return tuple(torch.frombuffer(bytearray(data), dtype=dtype.torch).float().tolist())
    return struct.unpack(f"<{len(data) // dtype.itemsize}{dtype.code}", data)
