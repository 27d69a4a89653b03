"""The host's LoRA files: their names and places, and what has been read of them.

Everything the pack keeps between two queues is in CACHE, bounded in bytes, but for key maps, which live as
long as their model. None of it is ever changed, so workflows that run at once cannot see each other's stack.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import comfy.model_management
import folder_paths

from ...lora_core.cache import ByteCache
from ...lora_core.files import Stamp, read_file, read_header
from ...lora_core.key_map import KeyMap
from ...lora_core.lora import Lora, read_lora
from ...lora_core.patch import Match
from ...lora_core.resolve import resolve
from ...lora_core.sidecars import trigger_words


@dataclass(frozen=True, eq=False)
class Loaded:
    """A file in memory, and its match against each model it has met."""

    lora: Lora
    matches: weakref.WeakKeyDictionary[KeyMap, Match] = field(default_factory=weakref.WeakKeyDictionary)

    @property
    def size(self) -> int:
        return self.lora.size


def _cache_bytes() -> int:
    """The bound of the cache: LORA_RACKCACHE_MIB from the environment, else an eighth of the memory."""
    setting = os.environ.get("LORA_RACKCACHE_MIB", "")
    mib = int(setting) if setting.isdecimal() else int(comfy.model_management.total_ram) // 8
    return mib * 2**20


# Stamp → Loaded for files, ("header", Stamp) → Header, (KeyMap, stamps) → Fused for stacks.
CACHE = ByteCache(_cache_bytes())


def lora_names() -> list[str]:
    """Every LoRA the host lists, as it spells them."""
    names: list[str] = folder_paths.get_filename_list("loras")
    return names


def resolve_name(name: str) -> str:
    """The host's spelling of a name. Raises MissingLora or AmbiguousLora."""
    return resolve(name, lora_names())


def lora_path(name: str) -> Path:
    """Where a LoRA lies. Raises MissingLora or AmbiguousLora."""
    return Path(folder_paths.get_full_path_or_raise("loras", resolve_name(name)))


def listed_path(name: str) -> Path | None:
    """Where a LoRA lies that the host lists under exactly this name; None for any other name."""
    if name not in lora_names():
        return None
    found = folder_paths.get_full_path("loras", name)
    return Path(found) if found else None


def fingerprint(names: Sequence[str]) -> str:
    """Changes whenever one of the files does, for IS_CHANGED."""
    stamps = [Stamp.of(lora_path(name)) for name in names]
    return " ".join(f"{stamp.path}:{stamp.size}:{stamp.mtime_ns}:{stamp.config_mtime_ns}" for stamp in stamps)


def words_of(name: str) -> str:
    """The trigger words of a LoRA, joined as a prompt would hold them."""
    path = lora_path(name)
    return ", ".join(trigger_words(path, metadata_of(path)))


def metadata_of(path: Path) -> Mapping[str, str]:
    """What a file says about itself; empty where its format has no place for that. Raises FileError."""
    if path.suffix.lower() != ".safetensors":
        return {}
    return CACHE.get(("header", Stamp.of(path)), lambda: read_header(path)).metadata


def load(name: str) -> Loaded:
    """The LoRA of a name, from memory if its file has not changed. Raises UnresolvedLora or FileError."""
    stamp = Stamp.of(lora_path(name))
    CACHE.discard(lambda held: isinstance(held, Stamp) and held.path == stamp.path and held != stamp)
    pinned = comfy.model_management.get_torch_device().type == "cuda"

    def read() -> Loaded:
        return Loaded(read_lora(read_file(stamp.path, pinned), keep_foreign=True))

    return CACHE.get(stamp, read)
