"""The one door to ComfyUI: its folders, its key maps, its model patcher.

Nodes import this package alone; only the modules in it import the host.
"""

from .encoding import encode
from .files import embedding_names, metadata_of, words_of
from .getting import DOWNLOADS, fetcher, lora_folders
from .inspecting import Inspected, inspect_lora
from .library import (
    check,
    check_all,
    facts_of,
    fingerprint,
    listed_paths,
    locate,
    look_up,
    look_up_all,
    lora_names,
    lora_path,
    resolve_active,
    resolve_name,
)
from .made_with import hash_soon, note_applied, on_prompt, record, used
from .overlapping import measure_stack
from .patching import Applied, apply_stack
from .pictures import (
    SamplerSettings,
    render_sweep,
    sampler_names,
    scheduler_names,
    show,
    shown_path,
)
from .protocols import Clip, Patcher
from .racks import RACKS
from .recipes import what_is_here
from .saving import plan_stack, write_stack
from .sliders import find_slider, slider_candidates
from .sweeping.preparing import LoraSweep, encode_sweep, prepare_sweep

__all__ = [
    "DOWNLOADS",
    "RACKS",
    "Applied",
    "Clip",
    "Inspected",
    "LoraSweep",
    "Patcher",
    "SamplerSettings",
    "apply_stack",
    "check",
    "check_all",
    "embedding_names",
    "encode",
    "encode_sweep",
    "facts_of",
    "fetcher",
    "find_slider",
    "fingerprint",
    "hash_soon",
    "inspect_lora",
    "listed_paths",
    "locate",
    "look_up",
    "look_up_all",
    "lora_folders",
    "lora_names",
    "lora_path",
    "measure_stack",
    "metadata_of",
    "note_applied",
    "on_prompt",
    "plan_stack",
    "prepare_sweep",
    "record",
    "render_sweep",
    "resolve_active",
    "resolve_name",
    "sampler_names",
    "scheduler_names",
    "show",
    "shown_path",
    "slider_candidates",
    "used",
    "what_is_here",
    "words_of",
    "write_stack",
]
