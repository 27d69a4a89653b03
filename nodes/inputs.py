"""Inputs that several nodes share, declared once."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

from ..lora_core.applying import MODES
from ..lora_core.blocks import read_block_weights
from ..lora_core.errors import BadInput, BadStackText, RackError
from ..lora_core.grammar import scheduled
from ..lora_core.stack import Entry
from ..lora_core.untrusted import MAX_STRENGTH, is_strength, shown
from . import host

CATEGORY = "LoRA Rack"


def lora_name() -> tuple[list[str], dict[str, Any]]:
    """The combo of every LoRA the host lists."""
    return host.lora_names(), {"tooltip": "The LoRA file, as listed from the loras folders."}


def strength(what: str) -> tuple[str, dict[str, Any]]:
    """A strength with the range of the host's own LoraLoader."""
    tooltip = (
        f"The strength for the {what}: 0 has no effect, 1 is as trained, a negative number reverses the "
        "effect."
    )
    return "FLOAT", {"default": 1.0, "min": -100.0, "max": 100.0, "step": 0.01, "tooltip": tooltip}


def window_start() -> tuple[str, dict[str, Any]]:
    """Where in the sampling an entry switches on."""
    tooltip = "The LoRA switches on here: 0 is the first step, 0.5 is half way through the sampling."
    return "FLOAT", {"default": 0.0, "min": 0.0, "max": 1.0, "step": 0.01, "tooltip": tooltip}


def window_stop() -> tuple[str, dict[str, Any]]:
    """Where in the sampling an entry switches off."""
    tooltip = "The LoRA switches off here: 1 is after the last step, 0.5 is half way through the sampling."
    return "FLOAT", {"default": 1.0, "min": 0.0, "max": 1.0, "step": 0.01, "tooltip": tooltip}


def schedule() -> tuple[str, dict[str, Any]]:
    """How an entry's strength changes during the sampling, as text."""
    tooltip = (
        "How the strength for the model changes during the sampling: a curve, or steps=1-2, written as in a "
        "LoRA tag. A curve multiplies strength_model. Empty: no change."
    )
    return "STRING", {"default": "", "tooltip": tooltip}


def stack(use: str = "LoRAs to apply before these.") -> tuple[str, dict[str, Any]]:
    """An incoming stack, from these nodes or another pack's. `use` says what becomes of it."""
    return "LORA_STACK", {"tooltip": f"{use} Stacks of other packs work as well."}


def pnginfo() -> dict[str, str]:
    """The host's hidden input that holds what its savers write into pictures."""
    return {"extra_pnginfo": "EXTRA_PNGINFO"}


def mismatch() -> tuple[list[str], dict[str, Any]]:
    """What becomes of a LoRA that does not fit."""
    tooltip = (
        "error: stop when a LoRA does not fit the model. warn: apply what fits and say so in the report."
    )
    return ["error", "warn"], {"default": "error", "tooltip": tooltip}


def mode() -> tuple[list[str], dict[str, Any]]:
    """How a stack changes the model."""
    tooltip = (
        "merged: write the stack into the weights, free while sampling. live: add it while sampling and "
        "write no weight. auto: merged, but live for LoRAs with a start or stop and for packed weights."
    )
    return list(MODES), {"default": "auto", "tooltip": tooltip}


def prompt(tooltip: str) -> tuple[str, dict[str, Any]]:
    """A prompt that may hold tags."""
    return "STRING", {"multiline": True, "dynamicPrompts": True, "default": "", "tooltip": tooltip}


def embeddings(default: bool) -> tuple[str, dict[str, Any]]:
    """Whether a prompt names textual inversions as in A1111."""
    tooltip = "Also read the bare names of installed textual inversions as embedding:name, as A1111 does."
    return "BOOLEAN", {"default": default, "tooltip": tooltip}


def blocks(multiline: bool = False) -> tuple[str, dict[str, Any]]:
    """Block weights as text."""
    tooltip = (
        "Weights per block, such as OUTALL, IN04-08=0.5 OUT*=0, IN05-OUT05/attn2=0.3, or a list of numbers. "
        "Blocks without a name keep 1; an empty text means 1 everywhere."
    )
    return "STRING", {"default": "", "multiline": multiline, "tooltip": tooltip}


def entry(
    lora_name: str,
    strength_model: float,
    strength_clip: float,
    blocks: str,
    start: float,
    stop: float,
    schedule: str = "",
) -> Entry:
    """The entry these inputs make. Raises BadBlockText, or RackError for what the host does not check."""
    check_window(start, stop)
    for what, value in (("strength_model", strength_model), ("strength_clip", strength_clip)):
        if not is_strength(value):
            expected = f"a finite number from -{MAX_STRENGTH:g} to {MAX_STRENGTH:g}"
            raise BadInput(f"{what} is {shown(value)}, expected {expected}")
    weights = read_block_weights(blocks)
    name = name_of(lora_name)
    made = Entry(name, strength_model, strength_clip, blocks=weights, start=start, stop=stop)
    return with_schedule(made, schedule)


def with_schedule(made: Entry, schedule: str) -> Entry:
    """The entry with what the input `schedule` says. Raises BadInput."""
    try:
        return scheduled(made, schedule)
    except BadStackText as error:
        raise BadInput(
            f"schedule, column {error.column}: found {error.found}, expected {error.expected}"
        ) from None


def name_of(lora_name: object) -> str:
    """A name as it came, typed or over a wire. Raises RackError for what is no name."""
    if not isinstance(lora_name, str) or not lora_name.strip():
        is_plain = isinstance(lora_name, str | int | float | None)
        found = shown(lora_name) if is_plain else type(lora_name).__name__
        raise BadInput(f"lora_name is {found}, expected the name of a LoRA file")
    return lora_name.strip()


def check_window(start: float | None, stop: float | None) -> None:
    """Raises RackError for a window that is none, as far as its ends are known."""
    for name, value in (("start", start), ("stop", stop)):
        if value is not None and not 0 <= value <= 1:
            remedy = "Divide a step by the number of steps: step 10 of 20 is 0.5"
            raise BadInput(f"{name} is {value:g}, expected a fraction of the sampling from 0 to 1. {remedy}")
    if start is not None and stop is not None and stop < start:
        raise BadInput(f"start {start:g} comes after stop {stop:g}. Swap them, or raise stop")


def off_the_loop(work: Callable[[], bool | str]) -> Any:
    """The answer of a check; where an event loop calls, a task that has a thread find it.

    The host checks a queued workflow on the loop that serves its page, and waits for tasks.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return work()
    return loop.create_task(asyncio.to_thread(work))


def _problem(check: Callable[[], object]) -> list[str]:
    """What a check complains of, if anything."""
    try:
        check()
    except RackError as error:
        return [str(error)]
    return []


def _number(value: object) -> float | None:
    if not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


class NamesOneLora:
    """What the host asks of a node with the inputs of an entry; None means it comes by wire."""

    @classmethod
    def VALIDATE_INPUTS(
        cls,
        lora_name: str | None = None,
        blocks: str | None = "",
        start: float | None = 0.0,
        stop: float | None = 1.0,
        schedule: str | None = "",
    ) -> Any:
        """True, or what is wrong with the name, block weights, window and schedule; None means left out.

        Takes the place of the host's own checks, which know neither the other path separator nor stems, nor
        that a window may be the wrong way round.
        """

        def check() -> bool | str:
            problems: list[str] = []
            if lora_name is not None:
                problems += _problem(lambda: host.check(name_of(lora_name)))
            # What is of another type than the input's, the host has refused by itself.
            if isinstance(blocks, str):
                problems += _problem(lambda: read_block_weights(blocks))
            if isinstance(schedule, str):
                problems += _problem(lambda: with_schedule(Entry("it"), schedule))
            problems += _problem(lambda: check_window(*(_number(value) for value in (start, stop))))
            return "\n".join(problems) or True

        return off_the_loop(check)

    @classmethod
    def IS_CHANGED(cls, lora_name: str | None = None, **_: Any) -> str:
        """Changes with the file."""
        return host.fingerprint([lora_name] if lora_name else [])
