"""What tells whether two LoRA files are the same: their bytes, their tensors, and a sketch of their change.

A sketch has some numbers aᵀ ΔW b a weight, with a and b drawn once for each shape. Their products estimate
⟨ΔW₁, ΔW₂⟩ without bias (Achlioptas 2003 for vectors; here of rank-one projections), and those of one change
at two strengths are exact multiples. They come from the factors, so the spelling of the keys, the rank and
the format do not matter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..changes import StackRow, WeightChange, change_of, changed_weights, needs_weight, read_in_turn
from ..errors import CannotCombine
from ..reading import PartialLora, read_file, sha256
from ..stack import Entry

if TYPE_CHECKING:
    from torch import Tensor

SAMPLES = 32  # numbers of a sketch a weight
_SESSION = ("ss_session_id", "ss_training_started_at")


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """One LoRA file.

    `sketch` has SAMPLES numbers a weight, under the name of its layer in one spelling; it is empty where the
    change depends on a model's weights.
    """

    path: Path
    content: str  # SHA256
    tensors: str  # SHA256 of keys, forms and numbers, whatever the order and the metadata
    sketch: Mapping[str, Tensor]
    session: str = ""  # of the training, where the file says
    epoch: int | None = None
    steps: int | None = None


def fingerprint(path: Path) -> Fingerprint:
    """Look at a LoRA file. Raises FileError for one that cannot be used."""
    lora = PartialLora(path)
    metadata = lora.metadata
    session = " ".join(metadata[key] for key in _SESSION if metadata.get(key, "None") != "None")
    return Fingerprint(
        path,
        sha256(path),
        _digest(read_file(path).tensors),
        _sketch(lora),
        session,
        _count(metadata.get("ss_epoch")),
        _count(metadata.get("ss_steps")),
    )


def _digest(tensors: Mapping[str, Tensor]) -> str:
    found = hashlib.sha256()
    for key in sorted(tensors):
        tensor = tensors[key]
        found.update(f"{key}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        if tensor.numel():
            found.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()


def _sketch(lora: PartialLora) -> dict[str, Tensor]:
    """Nothing where a part of the change depends on a weight, or no one weight is meant."""
    row = StackRow(Entry(lora.stamp.path.name.strip() or "lora"), lora)
    found: dict[str, Tensor] = {}
    try:
        for weight, read in read_in_turn(changed_weights([row])):
            steps = weight.steps(read=read)
            if needs_weight(steps):
                return {}
            found[weight.key] = _samples(change_of(steps, weight.shape))
    except CannotCombine:
        return {}
    return found


def _samples(change: WeightChange) -> Tensor:
    """(SAMPLES,): aᵀ ΔW b for as many a and b."""
    columns = change.down.shape[1]
    left, right = _lots(change.shape[0], columns)
    samples = ((left @ change.up) * (change.down @ right).T).sum(1)
    if change.difference is not None:
        samples += ((left @ change.difference.reshape(change.shape[0], columns)) * right.T).sum(1)
    return samples.double()


@lru_cache(maxsize=32)
def _lots(out: int, columns: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(out * 1_000_003 + columns)
    left = torch.randn(SAMPLES, out, generator=generator)
    return left, torch.randn(columns, SAMPLES, generator=generator)


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 12 else None
