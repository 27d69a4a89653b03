"""Inputs that several nodes share, declared once."""

from __future__ import annotations

from typing import Any

from ..lora_core.blocks import read_block_weights
from ..lora_core.errors import RackError
from ..lora_core.stack import Entry
from . import host

CATEGORY = "LoRA Rack"


def lora_name() -> tuple[list[str], dict[str, Any]]:
    """The combo of every LoRA the host lists."""
    return host.lora_names(), {"tooltip": "The LoRA file, as listed from the loras folders."}


def strength(what: str) -> tuple[str, dict[str, Any]]:
    """A strength with the range of the host's own LoraLoader."""
    tooltip = f"How strongly to change the {what}: 0 not at all, 1 as trained, negative the other way."
    return "FLOAT", {"default": 1.0, "min": -100.0, "max": 100.0, "step": 0.01, "tooltip": tooltip}


def window_start() -> tuple[str, dict[str, Any]]:
    """Where in the sampling an entry switches on."""
    tooltip = "When the LoRA switches on: 0 at the first step, 0.5 half way through the sampling."
    return "FLOAT", {"default": 0.0, "min": 0.0, "max": 1.0, "step": 0.01, "tooltip": tooltip}


def window_stop() -> tuple[str, dict[str, Any]]:
    """Where in the sampling an entry switches off."""
    tooltip = "When the LoRA switches off: 1 after the last step, 0.5 half way through the sampling."
    return "FLOAT", {"default": 1.0, "min": 0.0, "max": 1.0, "step": 0.01, "tooltip": tooltip}


def stack() -> tuple[str, dict[str, Any]]:
    """An incoming stack, from these nodes or another pack's."""
    return "LORA_STACK", {"tooltip": "LoRAs to apply before these. Stacks of other packs fit as well."}


def blocks(multiline: bool = False) -> tuple[str, dict[str, Any]]:
    """Block weights as text."""
    tooltip = (
        "Weights per block, such as OUTALL, IN04-08=0.5 OUT*=0, IN05-OUT05/attn2=0.3, or a list of numbers. "
        "What is not named is 1; empty is 1 throughout."
    )
    return "STRING", {"default": "", "multiline": multiline, "tooltip": tooltip}


def entry(
    lora_name: str, strength_model: float, strength_clip: float, blocks: str, start: float, stop: float
) -> Entry:
    """The entry these inputs make. Raises BadBlockText, or RackError for a window that is none.

    The host checks the range of what is typed, not of what comes over a wire.
    """
    for name, value in (("start", start), ("stop", stop)):
        if not 0 <= value <= 1:
            remedy = "Divide a step by the number of steps: step 10 of 20 is 0.5"
            raise RackError(f"{name} is {value:g}, expected a fraction of the sampling from 0 to 1. {remedy}")
    if stop < start:
        raise RackError(f"start {start:g} comes after stop {stop:g}. Swap them, or raise stop")
    weights = read_block_weights(blocks)
    return Entry(lora_name, strength_model, strength_clip, blocks=weights, start=start, stop=stop)


class NamesOneLora:
    """What the host asks of a node with the inputs `lora_name` and `blocks`; None means it comes by wire."""

    @classmethod
    def VALIDATE_INPUTS(cls, lora_name: str | None, blocks: str | None = "") -> bool | str:
        """True, or what is wrong with the name and the block weights.

        Takes the place of the host's own combo check, which knows neither the other path separator nor stems.
        """
        problems: list[str] = []
        for judge, value in ((host.check, lora_name), (read_block_weights, blocks)):
            try:
                if value is not None:
                    judge(value)
            except RackError as error:
                problems.append(str(error))
        return "\n".join(problems) or True

    @classmethod
    def IS_CHANGED(cls, lora_name: str | None, **_: Any) -> str:
        """Changes with the file."""
        return host.fingerprint([lora_name] if lora_name else [])
