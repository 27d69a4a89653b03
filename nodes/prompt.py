"""Prompt with LoRA Tags: words for the text encoder, tags for the stack."""

from __future__ import annotations

from typing import Any

from ..lora_core.grammar import read_prompt, scan_prompt
from . import inputs
from .rows import encoder_words, problems, prompts_fingerprint, rows_of
from .stack_type import to_wire


class LoraRackPrompt:
    """A prompt whose LoRA tags become a stack."""

    CATEGORY = inputs.CATEGORY
    DESCRIPTION = (
        "Takes the <lora:name:0.8> tags out of a prompt and adds them to a stack. Connect the prompt to a "
        "text encoder and the stack to Apply LoRA Stack. For a positive and a negative prompt, chain two of "
        "these nodes by their stacks."
    )
    RETURN_TYPES = ("STRING", "LORA_STACK")
    RETURN_NAMES = ("prompt", "stack")
    OUTPUT_TOOLTIPS = (
        "The prompt without its tags, otherwise as it was typed.",
        "The incoming stack followed by the LoRAs of the tags.",
    )
    FUNCTION = "read"
    SEARCH_ALIASES = ("lora tag", "lora prompt", "prompt control", "a1111", "lora tag loader")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        text = (
            "A prompt. A LoRA tag may stand anywhere in it; a line that begins with # switches its tags off."
        )
        return {
            "required": {"text": inputs.prompt(text)},
            "optional": {"stack": inputs.stack(), "embeddings": inputs.embeddings(default=False)},
        }

    @classmethod
    def VALIDATE_INPUTS(cls, text: str | None = None) -> Any:
        """Every tag that is on must be readable and name one file; all bad ones are reported at once."""
        if not isinstance(text, str):  # comes over a wire, or the host refuses it
            return True
        return inputs.off_the_loop(lambda: problems(scan_prompt(text).found))

    @classmethod
    def IS_CHANGED(cls, text: str | None = None, embeddings: bool | None = False, **_: Any) -> str:
        """Changes with the files of the tags, and with the list of embeddings where it is read."""
        return prompts_fingerprint([text], embeddings)

    def read(
        self, text: str, stack: list[Any] | None = None, embeddings: bool = False
    ) -> tuple[str, list[Any]]:
        prompt = read_prompt(text)
        return encoder_words(prompt, embeddings), to_wire(rows_of(prompt.stack), stack)
