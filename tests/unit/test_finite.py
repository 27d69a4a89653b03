"""NaN and infinity are found wherever they lie, and nothing else is taken for them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lora_core.reading.finite import all_finite, is_finite

DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e5m2)


def _file(sizes: list[tuple[int, int]]) -> list[Tensor]:
    """Tensors as a file holds them: views into one buffer, of the dtypes and lengths given."""
    parts = [(DTYPES[dtype] if dtype < len(DTYPES) else torch.int64, length) for dtype, length in sizes]
    buffer = torch.zeros(sum(length * 8 for _, length in parts), dtype=torch.uint8)
    tensors, start = [], 0
    for dtype, length in parts:
        stop = start + length * dtype.itemsize
        tensors.append(buffer[start:stop].view(dtype))
        start = -(-stop // 8) * 8
    return tensors


@settings(max_examples=60)
@given(
    sizes=st.lists(st.tuples(st.integers(0, len(DTYPES)), st.integers(1, 5)), min_size=1, max_size=8),
    where=st.integers(0, 7),
    number=st.sampled_from([torch.nan, torch.inf, -torch.inf, 1.0]),
)
def test_one_bad_number_is_found_anywhere(sizes: list[tuple[int, int]], where: int, number: float) -> None:
    tensors = _file(sizes)
    chosen = tensors[where % len(tensors)]
    if chosen.is_floating_point():
        chosen[-1] = number
    bad = chosen.is_floating_point() and number != 1.0
    assert all_finite(tensors) is not bad
    assert all_finite(reversed(tensors)) is not bad
    assert all(is_finite(t) for t in tensors if t.is_floating_point()) is not bad


@pytest.mark.parametrize("dtype", DTYPES[:-1])
def test_the_largest_numbers_are_finite(dtype: torch.dtype) -> None:
    most = torch.finfo(dtype).max
    assert all_finite([torch.full((1000,), most, dtype=dtype), torch.full((1000,), -most, dtype=dtype)])


def test_what_lies_between_views_is_not_looked_at() -> None:
    buffer = torch.zeros(4, 6)
    buffer[:, 3:] = torch.nan
    assert all_finite([buffer[:, :3]])
    assert all_finite([buffer[0, :3], buffer[1, :3]])
    assert all_finite([])
    assert all_finite([torch.zeros(0)])
