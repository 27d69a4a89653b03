"""Stacks saved as one LoRA file, with the connected models at hand for what depends on their weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import comfy.utils
import folder_paths
import torch
from torch import Tensor

from ...lora_core.key_maps import KeyMap, Target
from ...lora_core.reading import PartialLora
from ...lora_core.saving import SavePlan, SaveRow, SaveSide, Size, plan_save, write_save
from ...lora_core.stack import Entry
from .key_maps import clip_map, model_map
from .library import lora_path
from .weights import weights_of


def plan_stack(
    entries: Sequence[Entry], model: Any, clip: Any, size: Size, dtype: torch.dtype, naming: str
) -> SavePlan:
    """What the file of a stack will be; `model` and `clip` may be None. Raises what `plan_save` does, or
    UnresolvedLora.
    """
    rows = [SaveRow(entry, PartialLora(lora_path(entry))) for entry in entries if entry.is_active]
    sides = []
    if model is not None:
        sides.append(SaveSide(False, model_map(model), _weight_in(model_map(model), model)))
    if clip is not None:
        sides.append(SaveSide(True, clip_map(clip), _weight_in(clip_map(clip), clip.patcher)))
    bar = comfy.utils.ProgressBar(1)
    return plan_save(rows, sides, size, dtype, naming, progress=bar.update_absolute)


def write_stack(plan: SavePlan, prefix: str) -> Path:
    """Write a planned file into the host's output folder under the next free number, and return its path."""
    folder, name, counter, *_ = folder_paths.get_save_image_path(prefix, folder_paths.get_output_directory())
    while (out := Path(folder) / f"{name}_{counter:05}_.safetensors").exists():
        counter += 1
    write_save(plan, out)
    return out


def _weight_in(names: KeyMap, patcher: Any) -> Callable[[str], Tensor | None]:
    weight = weights_of(patcher)
    return lambda key: weight(Target(key)) if key in names.shapes else None
