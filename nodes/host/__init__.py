"""The one door to ComfyUI: its folders, its key maps, its model patcher.

Nodes import this package alone; only the modules in it import the host.
"""

from .files import metadata_of, words_of
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
    "apply_stack",
    "check",
    "facts",
    "facts_of",
    "fingerprint",
    "listed_paths",
    "look_up",
    "lora_names",
    "lora_path",
    "metadata_of",
    "resolve_active",
    "resolve_name",
    "words_of",
]
