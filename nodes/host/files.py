"""The host's LoRA files: their names and places, and what has been read of them.

Everything the pack keeps between two queues is in CACHE, bounded in bytes, but for key maps, which live as
long as their model. None of it is ever changed, so workflows that run at once cannot see each other's stack.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import comfy.model_management
import folder_paths

from ...lora_core.cache import ByteCache
from ...lora_core.family_of_file import FileFamily, family_of_layers
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

    @cached_property
    def made_for(self) -> FileFamily:
        """The family the file was made for, by its layers and its header."""
        return family_of_layers(self.lora.metadata, self.lora.widths)


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


def embedding_names() -> list[str]:
    """Every textual inversion the host lists, as it spells them."""
    names: list[str] = folder_paths.get_filename_list("embeddings")
    return names


def resolve_name(name: str) -> str:
    """The host's spelling of a name. Raises MissingLora or AmbiguousLora."""
    return resolve(name, lora_names())


def lora_path(name: str) -> Path:
    """Where a LoRA lies. Raises MissingLora or AmbiguousLora."""
    return Path(folder_paths.get_full_path_or_raise("loras", resolve_name(name)))


def fingerprint(names: Sequence[str]) -> str:
    """Changes whenever one of the files does, for IS_CHANGED."""
    stamps = [Stamp.of(lora_path(name)) for name in names]
    return " ".join(f"{stamp.path}:{stamp.size}:{stamp.mtime_ns}:{stamp.config_mtime_ns}" for stamp in stamps)


def words_of(name: str) -> str:
    """The trigger words of a LoRA, joined as a prompt would hold them."""
    path = lora_path(name)
    return ", ".join(trigger_words(path, _metadata(path)))


def _metadata(path: Path) -> Mapping[str, str]:
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
