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


def window_start() -> tuple[str, dict[str, Any]]:
    """Where in the sampling an entry switches on."""
    tooltip = "When the LoRA switches on: 0 at the first step, 0.5 half way through the sampling."
    return "FLOAT", {"default": 0.0, "min": 0.0, "max": 1.0, "step": 0.01, "tooltip": tooltip}


def window_stop() -> tuple[str, dict[str, Any]]:
    """Where in the sampling an entry switches off."""
    tooltip = "When the LoRA switches off: 1 after the last step, 0.5 half way through the sampling."
    return "FLOAT", {"default": 1.0, "min": 0.0, "max": 1.0, "step": 0.01, "tooltip": tooltip}


def check_window(start: float, stop: float) -> None:
    """Raises RackError unless both lie within 0 and 1, in this order.

    The host checks the range of what is typed, not of what comes over a wire.
    """
    for name, value in (("start", start), ("stop", stop)):
        if not 0 <= value <= 1:
            remedy = "Divide a step by the number of steps: step 10 of 20 is 0.5"
            raise RackError(f"{name} is {value:g}, expected a fraction of the sampling from 0 to 1. {remedy}")
    if stop < start:
        raise RackError(f"start {start:g} comes after stop {stop:g}. Swap them, or raise stop")


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
            host.resolve_name(lora_name)
        except RackError as error:
            return str(error)
        return True

    @classmethod
    def IS_CHANGED(cls, lora_name: str | None, **_: Any) -> str:
        """Changes with the file."""
        return host.fingerprint([lora_name] if lora_name else [])
