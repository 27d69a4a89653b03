"""LoRA Block Weights: one LoRA's weight per block, as text for a stack."""

from __future__ import annotations

from typing import Any

from ..lora_core.blocks import read_block_weights
from . import inputs


class LoraRackBlocks(inputs.NamesOneLora):
    """A text of block weights, checked."""

    CATEGORY = inputs.CATEGORY
    DESCRIPTION = (
        "Weights for the blocks of a model, by preset, by block or as a list of numbers. "
        "Connect it to the blocks of Load LoRA or Add LoRA to Stack."
    )
    RETURN_TYPES = ("STRING",)
    RETURN_NAMES = ("blocks",)
    OUTPUT_TOOLTIPS = ("The block weights, checked and in their canonical form.",)
    FUNCTION = "write"
    SEARCH_ALIASES = ("lora block weight", "lbw", "block weights")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"lora_name": inputs.lora_name(), "blocks": inputs.blocks(multiline=True)}}

    @classmethod
    def IS_CHANGED(cls, lora_name: str | None = None, **_: Any) -> str:
        """Never of itself: the text alone decides."""
        return ""

    def write(self, lora_name: str, blocks: str) -> tuple[str]:
        return (read_block_weights(blocks).text,)
