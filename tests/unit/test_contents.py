"""A file read whole: every tensor is what its bytes say, in any order, with gaps and off its alignment."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lora_core.reading.contents import read_file

STORED: dict[str, tuple[str, Tensor]] = {
    "half": ("F16", torch.randn(3, 4).half()),
    "number": ("F16", torch.tensor(2.0).half()),
    "nothing": ("F32", torch.zeros(0, 4)),
    "single": ("F32", torch.randn(5)),
    "byte": ("U8", torch.tensor([7], dtype=torch.uint8)),
    "odd": ("F32", torch.randn(2, 2)),
    "last": ("F32", torch.randn(1, 3)),
}


def _written(path: Path, gap: int) -> Path:
    """The tensors one after another, each `gap` bytes from the one before, named in the other direction."""
    entries, data = {}, b""
    for key, (dtype, tensor) in STORED.items():
        stored = tensor.numpy().tobytes()
        offsets = [len(data), len(data) + len(stored)]
        entries[key] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": offsets}
        data += stored + bytes(gap)
    header = json.dumps(dict(reversed(entries.items()))).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)
    return path


@pytest.mark.parametrize("gap", [0, 1, 4])
def test_every_tensor_is_what_its_bytes_say(tmp_path: Path, gap: int) -> None:
    found = read_file(_written(tmp_path / "a.safetensors", gap))
    assert list(found.tensors) == list(reversed(STORED))
    for key, (_, tensor) in STORED.items():
        assert (found.tensors[key].dtype, found.tensors[key].shape) == (tensor.dtype, tensor.shape)
        assert torch.equal(found.tensors[key], tensor), key


@pytest.mark.parametrize("gap", [0, 1])
def test_the_runs_are_all_the_numbers_and_no_more(tmp_path: Path, gap: int) -> None:
    found = read_file(_written(tmp_path / "a.safetensors", gap))
    assert found.size == sum(tensor.nbytes for _, tensor in STORED.values())
    assert len(found.contents) == (4 if gap == 0 else len(STORED))  # F16, F32, U8, F32
    numbers = sorted(float(number) for run in found.contents for number in run)
    assert numbers == sorted(float(n) for _, tensor in STORED.values() for n in tensor.flatten())
