"""Load LoRA: one LoRA straight onto a model."""

from __future__ import annotations

from typing import Any

from . import host, inputs


class LoraRackLoad(inputs.NamesOneLora):
    """One LoRA onto a model and a text encoder."""

    CATEGORY = inputs.CATEGORY
    DESCRIPTION = (
        "Applies one LoRA to a model and, if connected, to its text encoder. Stops if the LoRA does not fit."
    )
    RETURN_TYPES = ("MODEL", "CLIP", "STRING")
    RETURN_NAMES = ("MODEL", "CLIP", "trigger_words")
    OUTPUT_TOOLTIPS = (
        "The model with the LoRA applied.",
        "The text encoder with the LoRA applied.",
        "The LoRA's trigger words, from the files beside the LoRA or from its header.",
    )
    FUNCTION = "load"
    SEARCH_ALIASES = ("lora", "load lora", "lora loader")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "model": ("MODEL", {"tooltip": "The diffusion model to apply the LoRA to."}),
                "lora_name": inputs.lora_name(),
                "strength_model": inputs.strength("diffusion model"),
                "strength_clip": inputs.strength("text encoder"),
            },
            "optional": {
                "clip": (
                    "CLIP",
                    {"tooltip": "The text encoder, for a LoRA that changes the text encoder too."},
                ),
                "blocks": inputs.blocks(),
                "start": inputs.window_start(),
                "stop": inputs.window_stop(),
                "schedule": inputs.schedule(),
            },
            "hidden": inputs.pnginfo(),
        }

    def load(
        self,
        model: host.Patcher,
        lora_name: str,
        strength_model: float,
        strength_clip: float,
        clip: host.Clip | None = None,
        blocks: str = "",
        start: float = 0.0,
        stop: float = 1.0,
        schedule: str = "",
        extra_pnginfo: Any = None,
    ) -> tuple[host.Patcher | None, host.Clip | None, str]:
        entry = host.locate(
            inputs.entry(lora_name, strength_model, strength_clip, blocks, start, stop, schedule)
        )
        applied = host.apply_stack(model, clip, [entry])
        host.note_applied(type(self).__name__, [entry], extra_pnginfo)
        return applied.model, applied.clip, host.words_of(entry)
