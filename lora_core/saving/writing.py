"""A planned file on disk, with what it says of itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..errors import CannotSave
from ..reading import Form, header_bytes, replacing, total_size, write_tensor
from .planning import SavePlan

_LEGACY = slice(2**20, 2**20 + 2**16)  # the bytes of a file that kohya's older hash is of


def write_save(plan: SavePlan, out: Path, force: bool = False) -> int:
    """Write the file and return its bytes. It appears whole or not at all. Raises RackError."""
    if any(file.resolve() == out.resolve() for file in plan.files):
        raise CannotSave(f"{out} is one of the LoRAs or checkpoints that it is made of. Choose another name")
    if not out.parent.is_dir():
        raise CannotSave(f"{out.parent}: is no folder. Make it, or choose another")
    tensors = plan.tensors
    forms = {key: Form(tensor.dtype, tuple(tensor.shape)) for key, tensor in tensors.items()}
    start = header_bytes(forms, metadata(plan, tensors))
    total = len(start) + total_size(forms.values())
    with replacing(out, total, force) as file:
        file.write(start)
        for tensor in tensors.values():
            write_tensor(file, tensor)
    return total


def metadata(plan: SavePlan, tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """The plan's facts, and kohya's two hashes of the tensors."""
    training = {key: value for key, value in plan.facts.items() if key.startswith("ss_")}
    model_hash, legacy_hash = _hashes(tensors, training)
    return {**plan.facts, "sshs_model_hash": model_hash, "sshs_legacy_hash": legacy_hash}


def _hashes(tensors: Mapping[str, Tensor], training: Mapping[str, str]) -> tuple[str, str]:
    """`sshs_model_hash` and `sshs_legacy_hash` (sd-scripts library/train_util.py
    `precalculate_safetensors_hashes`): of the tensors' bytes, and of 64 KiB of a file with no metadata but
    what begins with `ss_`.
    """
    forms = {key: Form(tensor.dtype, tuple(tensor.shape)) for key, tensor in tensors.items()}
    start = header_bytes(forms, training)
    whole, legacy = hashlib.sha256(), hashlib.sha256()
    position = 0
    for piece, is_tensor in _pieces(start, tensors):
        if is_tensor:
            whole.update(piece)
        first, last = max(_LEGACY.start - position, 0), max(_LEGACY.stop - position, 0)
        legacy.update(piece[first:last])
        position += len(piece)
    return whole.hexdigest(), legacy.hexdigest()[:8]


def _pieces(start: bytes, tensors: Mapping[str, Tensor]) -> Iterator[tuple[memoryview, bool]]:
    yield memoryview(start), False
    for tensor in tensors.values():
        if tensor.numel():
            yield tensor.flatten().view(torch.uint8).numpy().data, True
