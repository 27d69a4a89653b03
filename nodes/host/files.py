"""What has been read of the host's LoRA files; library.py knows their names and places.

Everything the pack keeps between two queues is in CACHE, bounded in bytes, but for key maps, which live as
long as their model. None of it is ever changed, so workflows that run at once cannot see each other's stack.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import comfy.model_management
import folder_paths

from ...lora_core.applying import Match
from ...lora_core.cache import ByteCache
from ...lora_core.key_maps import FileFamily, KeyMap, family_of_file
from ...lora_core.library import trigger_words
from ...lora_core.reading import Header, Lora, Stamp, is_pickle, read_file, read_header, read_lora
from .library import Reference, lora_path


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
        return family_of_file(self.lora.metadata, self.lora.widths)


def _cache_bytes() -> int:
    """The bound of the cache: LORA_RACK_CACHE_MIB from the environment, else an eighth of the memory."""
    setting = os.environ.get("LORA_RACK_CACHE_MIB", "")
    mib = int(setting) if setting.isdecimal() else int(comfy.model_management.total_ram) // 8
    return mib * 2**20


# Stamp → Loaded for files, ("header", Stamp) → Header, (KeyMap, stamps) → Fused for stacks.
CACHE = ByteCache(_cache_bytes())


def embedding_names() -> list[str]:
    """Every textual inversion the host lists, as it spells them."""
    names: list[str] = folder_paths.get_filename_list("embeddings")
    return names


def words_of(reference: Reference) -> str:
    """The trigger words of a LoRA, joined as a prompt would hold them. Raises UnresolvedLora."""
    path = lora_path(reference)
    return ", ".join(trigger_words(path, metadata_of(path)))


def metadata_of(path: Path) -> Mapping[str, str]:
    """What a file says about itself; empty where its format has no place for that. Raises FileError."""
    if path.suffix.lower() != ".safetensors":
        return {}
    return _header(Stamp.of(path)).metadata


def _header(stamp: Stamp) -> Header:
    """The header of a file, which its trigger words and its tensors both ask for."""
    return CACHE.get(("header", stamp), lambda: read_header(stamp.path))


def load(reference: Reference) -> Loaded:
    """The LoRA meant, from memory if its file has not changed. Raises UnresolvedLora or FileError."""
    stamp = Stamp.of(lora_path(reference))
    CACHE.discard(lambda held: isinstance(held, Stamp) and held.path == stamp.path and held != stamp)
    pinned = comfy.model_management.get_torch_device().type == "cuda"

    def read() -> Loaded:
        header = None if is_pickle(stamp.path) else _header(stamp)
        return Loaded(read_lora(read_file(stamp.path, pinned, header), keep_foreign=True))

    return CACHE.get(stamp, read)
