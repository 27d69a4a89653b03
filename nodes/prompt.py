"""Prompt with LoRA Tags: words for the text encoder, tags for the stack."""

from __future__ import annotations

from typing import Any

from ..lora_core.grammar import prefix_embeddings, read_prompt, scan_prompt
from . import host, inputs
from .rows import located, problems
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
        embeddings = (
            "Also read the bare names of installed textual inversions as embedding:name, as A1111 does."
        )
        return {
            "required": {
                "text": (
                    "STRING",
                    {"multiline": True, "dynamicPrompts": True, "default": "", "tooltip": text},
                )
            },
            "optional": {
                "stack": inputs.stack(),
                "embeddings": ("BOOLEAN", {"default": False, "tooltip": embeddings}),
            },
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
        files = host.fingerprint(read_prompt(text or "").stack.active)
        return files if embeddings is False else f"{files} {host.embedding_names()}"

    def read(
        self, text: str, stack: list[Any] | None = None, embeddings: bool = False
    ) -> tuple[str, list[Any]]:
        prompt = read_prompt(text)
        words = prefix_embeddings(prompt.text, host.embedding_names()) if embeddings else prompt.text
        return words, to_wire(located(prompt.stack.entries), stack)
