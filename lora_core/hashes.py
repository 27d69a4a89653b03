"""The hashes other tools know a LoRA file by, each read in small pieces."""

from __future__ import annotations

import hashlib
from pathlib import Path

from .files import Header

_PIECE = 2**20
_AUTOV1_START, _AUTOV1_STOP = 0x100000, 0x110000


def sha256(path: Path, start: int = 0, stop: int | None = None) -> str:
    """SHA-256 of the bytes [start, stop) of a file, 64 hex digits."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(start)
        left = None if stop is None else stop - start
        while piece := file.read(_PIECE if left is None else min(_PIECE, left)):
            found.update(piece)
            left = None if left is None else left - len(piece)
    return found.hexdigest()


def known_hashes(path: Path, header: Header | None) -> dict[str, str]:
    """Civitai's SHA256, AutoV1 (64 KiB at 1 MiB) and AutoV2, and the hash of the tensors alone.

    The last does not change with the metadata: A1111's, kohya's `sshs_model_hash` and, by its first 12
    digits, AutoV3. It needs a safetensors header.
    """
    whole = sha256(path)
    hashes = {
        "sha256": whole,
        "autov1": sha256(path, _AUTOV1_START, _AUTOV1_STOP)[:8],
        "autov2": whole[:10],
    }
    if header is not None:
        hashes["tensors"] = sha256(path, header.data_offset)
        hashes["autov3"] = hashes["tensors"][:12]
    return hashes
