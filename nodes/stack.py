"""Nodes that build and apply stacks: Add LoRA to Stack, LoRA Rack, Apply LoRA Stack."""

from __future__ import annotations

from typing import Any

from ..lora_core.grammar import parse, scan
from ..lora_core.made_with import civitai_resources, infotext
from . import host, inputs
from .applying import apply_rows, output
from .rows import fingerprint, located, problems, rows_of, words_of
from .stack_type import rows_on_wire, to_wire


class LoraRackAdd(inputs.NamesOneLora):
    """One more LoRA at the end of a stack."""

    CATEGORY = inputs.CATEGORY
    DESCRIPTION = (
        "Adds one LoRA to a stack. You can chain several of these nodes, and connect their strengths to "
        "other nodes."
    )
    RETURN_TYPES = ("LORA_STACK", "STRING")
    RETURN_NAMES = ("stack", "trigger_words")
    OUTPUT_TOOLTIPS = ("The stack with this LoRA at its end.", "The LoRA's trigger words.")
    FUNCTION = "add"
    SEARCH_ALIASES = ("lora stack", "lora stacker")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "lora_name": inputs.lora_name(),
                "strength_model": inputs.strength("diffusion model"),
                "strength_clip": inputs.strength("text encoder"),
            },
            "optional": {
                "stack": inputs.stack(),
                "blocks": inputs.blocks(),
                "start": inputs.window_start(),
                "stop": inputs.window_stop(),
                "schedule": inputs.schedule(),
            },
        }

    def add(
        self,
        lora_name: str,
        strength_model: float,
        strength_clip: float,
        stack: list[Any] | None = None,
        blocks: str = "",
        start: float = 0.0,
        stop: float = 1.0,
        schedule: str = "",
    ) -> tuple[list[Any], str]:
        entry = inputs.entry(lora_name, strength_model, strength_clip, blocks, start, stop, schedule)
        entries = [host.locate(entry)]
        return to_wire(entries, stack), words_of(entries)


_EXAMPLE = "# one LoRA a line, for example\n# <lora:add_detail:0.8>"


class LoraRackStack:
    """A whole stack as text."""

    CATEGORY = inputs.CATEGORY
    DESCRIPTION = (
        "A stack of LoRAs as text, one tag a line: <lora:name:0.8>. A '#' before a tag switches it off."
    )
    RETURN_TYPES = ("LORA_STACK", "STRING")
    RETURN_NAMES = ("stack", "trigger_words")
    OUTPUT_TOOLTIPS = ("The incoming stack followed by these LoRAs.", "The trigger words of these LoRAs.")
    FUNCTION = "build"
    SEARCH_ALIASES = ("lora stack", "lora stacker", "power lora", "multi lora")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        tooltip = (
            "One tag a line, applied from top to bottom. <lora:name:unet=0.8:te=0.3> sets both strengths."
        )
        return {
            "required": {"text": ("STRING", {"multiline": True, "default": _EXAMPLE, "tooltip": tooltip})},
            "optional": {"stack": inputs.stack()},
        }

    @classmethod
    def VALIDATE_INPUTS(cls, text: str | None = None) -> Any:
        """Every row that is on must be readable and name one file; all bad rows are reported at once."""
        if not isinstance(text, str):  # comes over a wire, or the host refuses it
            return True
        return inputs.off_the_loop(lambda: problems(scan(text)))

    @classmethod
    def IS_CHANGED(cls, text: str | None = None, **_: Any) -> str:
        return fingerprint(parse(text or ""))

    def build(self, text: str, stack: list[Any] | None = None) -> tuple[list[Any], str]:
        entries = rows_of(parse(text))
        return to_wire(entries, stack), words_of(entries)


class LoraRackApply:
    """A stack onto a model."""

    CATEGORY = inputs.CATEGORY
    DESCRIPTION = (
        "Applies a stack to a model and, if connected, to its text encoder, as one patch per weight. "
        "The report says what happened to each LoRA."
    )
    RETURN_TYPES = ("MODEL", "CLIP", "STRING", "STRING", "STRING")
    RETURN_NAMES = ("MODEL", "CLIP", "report", "infotext", "resources")
    OUTPUT_TOOLTIPS = (
        "The model with the stack applied.",
        "The text encoder with the stack applied.",
        "For each LoRA: layers matched, format, rank, and what was left out.",
        "The LoRAs in the words of AUTOMATIC1111: their tags, and a line of their hashes.",
        "The LoRAs as Civitai lists resources: a JSON list of type, weight and version or hash.",
    )
    FUNCTION = "apply"
    SEARCH_ALIASES = ("lora stack", "apply lora")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "model": ("MODEL", {"tooltip": "The diffusion model to apply the stack to."}),
                "mismatch": inputs.mismatch(),
            },
            "optional": {
                "stack": inputs.stack("The stack to apply."),
                "clip": (
                    "CLIP",
                    {"tooltip": "The text encoder, for LoRAs that change the text encoder too."},
                ),
                "mode": inputs.mode(),
            },
            "hidden": inputs.pnginfo(),
        }

    def apply(
        self,
        model: host.Patcher,
        stack: list[Any] | None = None,
        mismatch: str = "error",
        clip: host.Clip | None = None,
        mode: str = "auto",
        extra_pnginfo: Any = None,
    ) -> dict[str, Any]:
        entries = located([] if stack is None else rows_on_wire(stack))
        applied = apply_rows(self, model, clip, entries, mismatch, mode, extra_pnginfo)
        used = host.used(entries)
        outputs = (applied.model, applied.clip, applied.report, infotext(used), civitai_resources(used))
        return output(applied.verdicts, applied.report, outputs)
