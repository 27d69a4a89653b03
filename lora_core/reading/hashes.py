"""The hashes other tools know a LoRA file by, and how one of them is compared with a reference.

sha256     of the whole file; its first 10 digits are AutoV2
tensors    SHA-256 of the tensors alone, which editing the metadata leaves alone; A1111's, kohya's
           `sshs_model_hash`; its first 12 digits are AutoV3
autov1     8 digits of the SHA-256 of the 64 KiB at 1 MiB
modelspec  what a header claims in `modelspec.hash_sha256`: either of the first two, trainers disagree
legacy     kohya's `sshs_legacy_hash`: AutoV1 of the file as it was before two metadata entries were added
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadHash, BrokenFile
from .files import Header

Progress = Callable[[int], None]
"""Told the number of bytes read since it was told last; may raise to stop the work."""

SHORTEST = 8
LONGEST = 64
_SHORT_KINDS = ("autov1", "legacy")
_LEAST_KNOWN = 10  # a known value that is shorter than the reference must have at least AutoV2's digits
_NOTHING = hashlib.sha256().hexdigest()  # e3b0c442…: tools hash files shorter than 1 MiB or repackaged so
_PIECE = 2**20
_AUTOV1_START, _AUTOV1_STOP = 0x100000, 0x110000
_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True)
class FileHashes:
    """Hashes computed from the bytes of a file.

    `tensors` is empty for one that has none or is no safetensors file, `autov1` for one of less than 1 MiB.
    """

    sha256: str
    tensors: str
    autov1: str

    @property
    def by_kind(self) -> dict[str, str]:
        """Those there are."""
        found = {"sha256": self.sha256, "tensors": self.tensors, "autov1": self.autov1}
        return {kind: value for kind, value in found.items() if value}

    def has(self, wanted: str) -> bool:
        """Whether one of them is the one wanted."""
        return any(is_match(kind, known, wanted) for kind, known in self.by_kind.items())


def read_hash(text: str) -> str:
    """A reference's hash in lower case, without '0x'. Raises BadHash for what can be no file's."""
    value = text.strip().lower().removeprefix("0x")
    if not _HEX.fullmatch(value):
        raise BadHash(text, "a hash contains only the digits 0-9 and a-f")
    if not SHORTEST <= len(value) <= LONGEST:
        raise BadHash(text, f"it has {len(value)} digits, between {SHORTEST} and {LONGEST} are allowed")
    if _is_of_nothing(value):
        raise BadHash(text, "it is the hash of nothing, which tools write for files they could not hash")
    return value


def is_match(kind: str, known: str, wanted: str) -> bool:
    """Whether a hash of a kind is the one wanted: AutoV1 and legacy as a whole, others by their beginning."""
    if kind in _SHORT_KINDS:
        return known == wanted
    return known.startswith(wanted) or (len(known) >= _LEAST_KNOWN and wanted.startswith(known))


def clean_hash(value: object) -> str:
    """A hash someone wrote down, as `read_hash` gives it; empty for what is none."""
    try:
        return read_hash(value) if isinstance(value, str) else ""
    except BadHash:
        return ""


def claimed_hashes(metadata: Mapping[str, str]) -> dict[str, str]:
    """The hashes a header claims. Civitai's AutoV3 is read from there, whatever the tensors are by now."""
    named = {"tensors": "sshs_model_hash", "modelspec": "modelspec.hash_sha256", "legacy": "sshs_legacy_hash"}
    claimed = {kind: clean_hash(metadata.get(key)) for kind, key in named.items()}
    return {kind: value for kind, value in claimed.items() if value}


def measure(path: Path, progress: Progress | None = None) -> FileHashes:
    """Every hash of a file, in one pass over its bytes. Raises BrokenFile when it cannot be read."""
    whole, tensors, at_1_mib = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
    try:
        with path.open("rb") as file:
            data_offset = _data_offset(file.read(9))
            file.seek(0)
            position = 0
            while piece := file.read(_PIECE):
                whole.update(piece)
                if data_offset is not None:
                    tensors.update(memoryview(piece)[max(0, data_offset - position) :])
                start, stop = (max(0, end - position) for end in (_AUTOV1_START, _AUTOV1_STOP))
                at_1_mib.update(memoryview(piece)[start:stop])
                position += len(piece)
                if progress is not None:
                    progress(len(piece))
    except OSError as error:
        raise BrokenFile(path, f"cannot be read ({error.strerror})", "Check the disk and the path") from error
    return FileHashes(
        whole.hexdigest(), _unless_empty(tensors.hexdigest()), _unless_empty(at_1_mib.hexdigest()[:8])
    )


def sha256(path: Path) -> str:
    """SHA-256 of a whole file, 64 hex digits."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            found.update(piece)
    return found.hexdigest()


def known_hashes(path: Path, header: Header | None) -> dict[str, str]:
    """The hashes to show a person: SHA256, AutoV1, AutoV2; with a header that of the tensors and AutoV3."""
    measured = measure(path)
    autov1, tensors = measured.autov1 or _NOTHING[:8], measured.tensors or _NOTHING
    hashes = {"sha256": measured.sha256, "autov1": autov1, "autov2": measured.sha256[:10]}
    if header is not None:
        hashes |= {"tensors": tensors, "autov3": tensors[:12]}
    return hashes


def _data_offset(prefix: bytes) -> int | None:
    """Where the tensors of a safetensors file begin, from its first 9 bytes; None for another format."""
    if prefix[8:] != b"{":
        return None
    (length,) = struct.unpack("<Q", prefix[:8])
    return 8 + int(length)


def _unless_empty(digest: str) -> str:
    return "" if _is_of_nothing(digest) else digest


def _is_of_nothing(value: str) -> bool:
    return _NOTHING.startswith(value)
