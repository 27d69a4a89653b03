"""LoRA Overlap: where the LoRAs of a stack get in each other's way, and the stack balanced."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..lora_core.grammar import write_safely
from ..lora_core.overlap import balanced, describe_overlap
from . import host, inputs
from .drawing.overlap_chart import overlap_chart
from .stack_type import rows_on_wire, to_wire


class LoraRackOverlap:
    """A stack, measured against itself."""

    CATEGORY = inputs.CATEGORY
    DESCRIPTION = (
        "Shows where LoRAs of a stack change the same, block by block, and how much more they change "
        "together than the strongest alone. Balanced is the stack turned down where it goes beyond that."
    )
    RETURN_TYPES = ("STRING", "IMAGE", "LORA_STACK")
    RETURN_NAMES = ("report", "chart", "balanced")
    OUTPUT_TOOLTIPS = (
        "The worst places in words, and every block.",
        "Cosines of every two LoRAs by block, and how much each block changes.",
        "The stack with numbers at which no block changes more than the strongest LoRA alone changes it.",
    )
    FUNCTION = "measure"
    OUTPUT_NODE = True
    SEARCH_ALIASES = ("lora conflict", "lora compare", "lora balance", "lora interference")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        model = (
            "The report compares changes with this model's weights, and measures kinds of LoRA that depend "
            "on them."
        )
        return {
            "required": {"stack": inputs.stack("The LoRAs to measure.")},
            "optional": {"model": ("MODEL", {"tooltip": model})},
        }

    def measure(self, stack: list[Any], model: host.Patcher | None = None) -> dict[str, Any]:
        rows = rows_on_wire(stack)
        found = host.measure_stack(host.resolve_active(rows), model)
        quieter = balanced(found)
        turned = iter(quieter)
        result = to_wire([next(turned) if entry.is_active else entry for entry in rows], None)
        report = f"{describe_overlap(found)}\n\nBalanced:\n{write_safely(quieter)}"
        pixels = np.asarray(overlap_chart(found), dtype=np.float32) / 255.0
        outputs = (report, torch.from_numpy(pixels)[None], result)
        return {"ui": {"text": [report]}, "result": outputs}
