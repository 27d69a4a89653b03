"""Inputs that several nodes share, declared once."""

from __future__ import annotations

from typing import Any

from ..lora_core.blocks import read_block_weights
from ..lora_core.errors import RackError
from . import host

CATEGORY = "LoRA Rack"


def lora_name() -> tuple[list[str], dict[str, Any]]:
    """The combo of every LoRA the host lists."""
    return host.lora_names(), {"tooltip": "The LoRA file, as listed from the loras folders."}


def strength(what: str) -> tuple[str, dict[str, Any]]:
    """A strength with the range of the host's own LoraLoader."""
    tooltip = f"How strongly to change the {what}: 0 not at all, 1 as trained, negative the other way."
    return "FLOAT", {"default": 1.0, "min": -100.0, "max": 100.0, "step": 0.01, "tooltip": tooltip}


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


class NamesOneLora:
    """What the host asks of a node with the inputs `lora_name` and `blocks`; None means it comes by wire."""

    @classmethod
    def VALIDATE_INPUTS(cls, lora_name: str | None, blocks: str | None = "") -> bool | str:
        """True, or what is wrong with the name and the block weights.

        Takes the place of the host's own combo check, which knows neither the other path separator nor stems.
        """
        problems: list[str] = []
        for check, value in ((host.resolve_name, lora_name), (read_block_weights, blocks)):
            try:
                if value is not None:
                    check(value)
            except RackError as error:
                problems.append(str(error))
        return "\n".join(problems) or True

    @classmethod
    def IS_CHANGED(cls, lora_name: str | None, **_: Any) -> str:
        """Changes with the file."""
        return host.fingerprint([lora_name] if lora_name else [])
