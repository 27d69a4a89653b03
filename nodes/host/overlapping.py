"""A stack measured against itself, on the connected model."""

from __future__ import annotations

from collections.abc import Sequence

import comfy.utils

from ...lora_core.changes import StackRow
from ...lora_core.overlap import Overlap, measure_overlap
from ...lora_core.reading import PartialLora
from .library import Located, lora_path
from .protocols import Patcher
from .stack_sides import stack_sides


def measure_stack(entries: Sequence[Located], model: Patcher | None) -> Overlap:
    """The overlap of a stack; `model` may be None. Raises what `measure_overlap` does, or UnresolvedLora."""
    rows = [StackRow(entry, PartialLora(lora_path(entry))) for entry in entries]
    bar = comfy.utils.ProgressBar(1)
    return measure_overlap(rows, stack_sides(model), bar.update_absolute)
