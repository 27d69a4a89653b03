"""Stacks saved as one LoRA file, with the connected models at hand for what depends on their weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import comfy.utils
import folder_paths
import torch

from ...lora_core.changes import StackRow
from ...lora_core.merging import SUM
from ...lora_core.reading import PartialLora
from ...lora_core.saving import SavePlan, Size, plan_save, write_save
from ...lora_core.stack import Entry
from .library import lora_path
from .protocols import Clip, Patcher
from .stack_sides import stack_sides


def plan_stack(
    entries: Sequence[Entry],
    model: Patcher | None,
    clip: Clip | None,
    size: Size,
    dtype: torch.dtype,
    naming: str,
    without_windows: bool = False,
) -> SavePlan:
    """What the file of a stack will be; `model` and `clip` may be None. Raises what `plan_save` does, or
    UnresolvedLora.
    """
    rows = [StackRow(entry, PartialLora(lora_path(entry))) for entry in entries if entry.is_active]
    sides = stack_sides(model, clip)
    progress = comfy.utils.ProgressBar(1).update_absolute
    return plan_save(rows, sides, size, dtype, naming, SUM, without_windows, progress)


def write_stack(plan: SavePlan, prefix: str) -> Path:
    """Write a planned file into the host's output folder under the next free number, and return its path."""
    folder, name, counter, *_ = folder_paths.get_save_image_path(prefix, folder_paths.get_output_directory())
    while (out := Path(folder) / f"{name}_{counter:05}_.safetensors").exists():
        counter += 1
    write_save(plan, out)
    return out
