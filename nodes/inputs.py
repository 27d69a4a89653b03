"""Inputs that several nodes share, declared once."""

from __future__ import annotations

from typing import Any

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


class NamesOneLora:
    """What the host asks of a node with an input `lora_name`; None there means it comes over a wire."""

    @classmethod
    def VALIDATE_INPUTS(cls, lora_name: str | None) -> bool | str:
        """True, or what is wrong with the name.

        Takes the place of the host's own combo check, which knows neither the other path separator nor stems.
        """
        if lora_name is None:
            return True
        try:
            host.check(lora_name)
        except RackError as error:
            return str(error)
        return True

    @classmethod
    def IS_CHANGED(cls, lora_name: str | None, **_: Any) -> str:
        """Changes with the file."""
        return host.fingerprint([lora_name] if lora_name else [])
