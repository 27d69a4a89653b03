"""The one door to ComfyUI: its folders, its key maps, its model patcher.

Nodes import this package alone; only the modules in it import the host.
"""

from .files import fingerprint, listed_path, lora_names, lora_path, metadata_of, resolve_name, words_of
from .patching import Applied, apply_stack

__all__ = [
    "Applied",
    "apply_stack",
    "fingerprint",
    "listed_path",
    "lora_names",
    "lora_path",
    "metadata_of",
    "resolve_name",
    "words_of",
]
