"""The dtypes of the safetensors format (its README, "Format"), known without torch.

Headers are read and matched with no tensor in memory; torch is asked for its own dtype when contents are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Dtype:
    """One dtype. `name` is the format's, `attribute` torch's, `code` the struct module's or empty."""

    name: str
    attribute: str
    itemsize: int  # bytes a number
    code: str = ""

    @property
    def is_floating_point(self) -> bool:
        """Whether numbers of this dtype are real and have a fraction."""
        return self.attribute.startswith(("float", "bfloat"))

    @property
    def is_complex(self) -> bool:
        return self.attribute.startswith("complex")

    @property
    def is_known(self) -> bool:
        """Whether this torch has it: the oldest a host runs with lacks some."""
        return hasattr(torch, self.attribute)

    @property
    def torch(self) -> torch.dtype:
        """torch's dtype. Raises AttributeError where `is_known` is false."""
        found: torch.dtype = getattr(torch, self.attribute)
        return found

    def __str__(self) -> str:
        return self.name


DTYPES: Mapping[str, Dtype] = {
    dtype.name: dtype
    for dtype in (
        Dtype("F64", "float64", 8, "d"),
        Dtype("F32", "float32", 4, "f"),
        Dtype("F16", "float16", 2, "e"),
        Dtype("BF16", "bfloat16", 2),
        Dtype("F8_E4M3", "float8_e4m3fn", 1),
        Dtype("F8_E5M2", "float8_e5m2", 1),
        Dtype("F8_E4M3FNUZ", "float8_e4m3fnuz", 1),
        Dtype("F8_E5M2FNUZ", "float8_e5m2fnuz", 1),
        Dtype("F8_E8M0", "float8_e8m0fnu", 1),
        Dtype("I64", "int64", 8, "q"),
        Dtype("I32", "int32", 4, "i"),
        Dtype("I16", "int16", 2, "h"),
        Dtype("I8", "int8", 1, "b"),
        Dtype("U64", "uint64", 8, "Q"),
        Dtype("U32", "uint32", 4, "I"),
        Dtype("U16", "uint16", 2, "H"),
        Dtype("U8", "uint8", 1, "B"),
        Dtype("BOOL", "bool", 1, "?"),
        Dtype("C64", "complex64", 8),
    )
}
"""By the format's name."""


def dtype_of(dtype: torch.dtype) -> Dtype:
    """The format's word for a dtype of torch. Raises KeyError for one the format has not."""
    attribute = str(dtype).removeprefix("torch.")
    return _BY_ATTRIBUTE[attribute]


_BY_ATTRIBUTE = {dtype.attribute: dtype for dtype in DTYPES.values()}
