"""A planned file on disk, with what it says of itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..errors import CannotSave
from ..grammar import write
from ..reading import Form, header_bytes, replacing, sha256, total_size, write_tensor
from ..stack import Stack
from .planning import SavePlan

_LEGACY = slice(2**20, 2**20 + 2**16)  # the bytes of a file that kohya's older hash is of


def write_save(plan: SavePlan, out: Path, force: bool = False) -> int:
    """Write the file and return its bytes. It appears whole or not at all. Raises RackError."""
    if any(row.lora.stamp.path.resolve() == out.resolve() for row in plan.rows):
        raise CannotSave(f"{out} is one of the LoRAs that are saved. Choose another name")
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
    """What the file says of itself: what it was made of, its family, kohya's two hashes of its tensors."""
    headers = [row.lora.metadata for row in plan.rows]
    files = [row.lora.stamp.path for row in plan.rows]
    found = {"ss_network_module": "networks.lora"}
    found |= _same(headers, "ss_base_model_version") | _same(headers, "modelspec.architecture")
    training = {key: value for key, value in found.items() if key.startswith("ss_")}
    found["sshs_model_hash"], found["sshs_legacy_hash"] = _hashes(tensors, training)
    found["modelspec.sai_model_spec"] = "1.0.0"
    found["modelspec.title"] = " + ".join(file.stem for file in files)
    found["lora_rack.stack"] = write(Stack(tuple(row.entry for row in plan.rows)))
    found["lora_rack.made_of"] = json.dumps(
        [{"name": file.name, "sha256": sha256(file)} for file in files], ensure_ascii=False
    )
    words = [header.get("modelspec.trigger_phrase", "").strip() for header in headers]
    if any(words):
        found["modelspec.trigger_phrase"] = ", ".join(dict.fromkeys(filter(None, words)))
    return found


def _same(headers: list[Mapping[str, str]], key: str) -> dict[str, str]:
    """The value that all headers which have the key agree on."""
    values = {header[key] for header in headers if header.get(key)}
    return {key: values.pop()} if len(values) == 1 else {}


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
