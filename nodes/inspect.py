"""Inspect LoRA: what a file is, and where in a model it works."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import numpy as np
import torch

from ..lora_core.reports import describe
from . import host, inputs
from .drawing.energy_chart import energy_chart


class LoraRackInspect(inputs.NamesOneLora):
    """One LoRA file, looked into."""

    CATEGORY = inputs.CATEGORY
    DESCRIPTION = (
        "Shows what a LoRA file is and which blocks it changes most: format, rank, family, trigger words, "
        "and a chart of the energy of its change. Connect a model to see how much the LoRA changes the "
        "model's weights."
    )
    RETURN_TYPES = ("STRING", "IMAGE")
    RETURN_NAMES = ("report", "chart")
    OUTPUT_TOOLTIPS = (
        "What the file is, and each block's share of its change.",
        "Each block's share of the change, by the parts of the block.",
    )
    FUNCTION = "inspect"
    OUTPUT_NODE = True
    SEARCH_ALIASES = ("lora info", "lora metadata", "lora analyze", "block weight")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {"lora_name": inputs.lora_name()},
            "optional": {
                "model": ("MODEL", {"tooltip": "The report compares the change with this model's weights."}),
                "clip": (
                    "CLIP",
                    {"tooltip": "The report compares the change with this text encoder's weights."},
                ),
            },
        }

    def inspect(
        self, lora_name: str, model: host.Patcher | None = None, clip: host.Clip | None = None
    ) -> dict[str, Any]:
        name = inputs.name_of(lora_name)
        found = host.inspect_lora(name, model, clip)
        words = host.words_of(name)
        report = describe(found.verdict, found.spectrum, words)
        title = PurePosixPath(found.verdict.entry.name.replace("\\", "/")).name
        chart = energy_chart(found.spectrum, title)
        pixels = np.asarray(chart, dtype=np.float32) / 255.0
        return {"ui": {"text": [report]}, "result": (report, torch.from_numpy(pixels)[None])}
