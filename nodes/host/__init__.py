"""The one door to ComfyUI: its folders, its key maps, its model patcher.

Nodes import this package alone; only the modules in it import the host.
"""

from .files import embedding_names, metadata_of, words_of
from .inspecting import Inspected, inspect_lora
from .library import (
    check,
    facts,
    facts_of,
    fingerprint,
    listed_paths,
    look_up,
    lora_names,
    lora_path,
    resolve_active,
    resolve_name,
)
from .patching import Applied, apply_stack

__all__ = [
    "Applied",
    "Inspected",
    "apply_stack",
    "check",
    "embedding_names",
    "facts",
    "facts_of",
    "fingerprint",
    "inspect_lora",
    "listed_paths",
    "look_up",
    "lora_names",
    "lora_path",
    "metadata_of",
    "resolve_active",
    "resolve_name",
    "words_of",
]
