"""Save LoRA Stack: the stack as one ordinary LoRA file."""

from __future__ import annotations

from typing import Any

from ..lora_core.saving import DTYPES, NAMINGS, Size
from . import host, inputs
from .stack_type import from_wire


class LoraRackSave:
    """A stack as a file that any program loads."""

    CATEGORY = inputs.CATEGORY
    DESCRIPTION = (
        "Writes a stack as one LoRA file: strengths, block weights and all kinds of LoRA in it. Rank 0 keeps "
        "everything; a rank makes the file smaller, and the report says what is lost."
    )
    RETURN_TYPES = ("STRING", "STRING")
    RETURN_NAMES = ("path", "report")
    OUTPUT_TOOLTIPS = ("Where the file is.", "Size, ranks, and what each block loses.")
    FUNCTION = "save"
    OUTPUT_NODE = True
    SEARCH_ALIASES = ("lora save", "lora merge", "lora extract", "lora resize")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        dtype = "The number format of the file. fp32 is exact; fp16 and bf16 are half the size."
        prefix = "The name of the file in the output folder. A number is added."
        rank = "0 keeps everything. A number cuts every layer to this rank, as well as that rank can do."
        keep = (
            "The share of the change to keep, such as 0.99. Each layer gets the least rank for it. 1 is off."
        )
        most = "The largest file in MiB. Ranks go where they lose the least. 0 is off."
        windows = (
            "Saves rows with start, stop, steps or a curve as on all the time, at their full strength. "
            "When off, such a row stops the node."
        )
        names = "How layers are called: as in the files, or as other programs do, which needs the model."
        return {
            "required": {
                "filename_prefix": ("STRING", {"default": "loras/rack", "tooltip": prefix}),
                "rank": ("INT", {"default": 0, "min": 0, "max": 4096, "tooltip": rank}),
                "dtype": ([*DTYPES], {"tooltip": dtype}),
                "naming": ([*NAMINGS], {"tooltip": names}),
            },
            "optional": {
                "stack": inputs.stack("The LoRAs to save."),
                "model": (
                    "MODEL",
                    {"tooltip": "For kinds of LoRA that depend on the model's weights, and for names."},
                ),
                "clip": ("CLIP", {"tooltip": "The same for the text encoder."}),
                "keep": (
                    "FLOAT",
                    {"default": 1.0, "min": 0.01, "max": 1.0, "step": 0.005, "tooltip": keep},
                ),
                "max_mib": ("INT", {"default": 0, "min": 0, "max": 100000, "tooltip": most}),
                "without_windows": ("BOOLEAN", {"default": False, "tooltip": windows}),
            },
        }

    def save(
        self,
        filename_prefix: str,
        rank: int,
        dtype: str,
        naming: str,
        stack: list[Any] | None = None,
        model: host.Patcher | None = None,
        clip: host.Clip | None = None,
        keep: float = 1.0,
        max_mib: int = 0,
        without_windows: bool = False,
    ) -> dict[str, Any]:
        size = Size(rank or None, keep if keep < 1 else None, max_mib * 2**20 or None)
        entries = host.resolve_active(from_wire(stack)) if stack else []
        plan = host.plan_stack(entries, model, clip, size, DTYPES[dtype], naming, without_windows)
        path = str(host.write_stack(plan, filename_prefix))
        report = f"{path}\n{plan.describe()}"
        return {"ui": {"text": [report]}, "result": (path, report)}
