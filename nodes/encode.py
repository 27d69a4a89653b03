"""Encode Prompt with LoRA Tags: one node from the checkpoint to the sampler."""

from __future__ import annotations

from typing import Any

from ..lora_core.errors import RackError
from ..lora_core.grammar import Prompt, read_prompt, scan_prompt
from ..lora_core.stack import Entry, not_in
from . import host, inputs
from .applying import apply_rows, output
from .rows import encoder_words, located, problems, prompts_fingerprint, rows_of, words_of
from .stack_type import rows_on_wire


class LoraRackEncode:
    """Two prompts whose LoRA tags act on the model and the text encoder that reads the words."""

    CATEGORY = inputs.CATEGORY
    DESCRIPTION = (
        "Applies the <lora:name:0.8> tags of both prompts to the model and the text encoder, and encodes the "
        "words without the tags. Connect a checkpoint before it and a sampler behind it."
    )
    RETURN_TYPES = ("MODEL", "CLIP", "CONDITIONING", "CONDITIONING", "STRING", "STRING")
    RETURN_NAMES = ("MODEL", "CLIP", "positive", "negative", "report", "trigger_words")
    OUTPUT_TOOLTIPS = (
        "The model with the LoRAs applied.",
        "The text encoder with the LoRAs applied.",
        "The positive prompt without its tags, encoded.",
        "The negative prompt without its tags, encoded.",
        "For each LoRA: layers matched, format, rank, and what was left out.",
        "The trigger words of the LoRAs in both prompts.",
    )
    FUNCTION = "encode"
    SEARCH_ALIASES = ("lora tag", "lora prompt", "a1111", "prompt with lora", "clip text encode")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        positive = (
            "What the picture shows. A LoRA tag may stand anywhere in it; a line that begins with # switches "
            "its tags off."
        )
        negative = (
            "What the picture does not show. Its tags act as those of the positive prompt do; a tag that "
            "stands in both prompts acts once."
        )
        return {
            "required": {
                "model": ("MODEL", {"tooltip": "The diffusion model to apply the LoRAs to."}),
                "clip": ("CLIP", {"tooltip": "The text encoder for both prompts."}),
                "positive": inputs.prompt(positive),
                "negative": inputs.prompt(negative),
            },
            "optional": {
                "stack": inputs.stack(),
                "embeddings": inputs.embeddings(default=True),
                "mode": inputs.mode(),
                "mismatch": inputs.mismatch(),
            },
            "hidden": inputs.pnginfo(),
        }

    @classmethod
    def VALIDATE_INPUTS(cls, positive: str | None = None, negative: str | None = None) -> Any:
        """Every tag that is on must be readable and name one file; all bad ones are reported at once."""
        # What is no text comes over a wire, or the host refuses it.
        texts = {"positive": positive, "negative": negative}

        def check() -> bool | str:
            told = [problems(scan_prompt(t).found, p) for p, t in texts.items() if isinstance(t, str)]
            return "\n".join(text for text in told if isinstance(text, str)) or True

        return inputs.off_the_loop(check)

    @classmethod
    def IS_CHANGED(
        cls,
        positive: str | None = None,
        negative: str | None = None,
        embeddings: bool | None = True,
        **_: Any,
    ) -> str:
        """Changes with the files of the tags, and with the list of embeddings where it is read."""
        return prompts_fingerprint([positive, negative], embeddings)

    def encode(
        self,
        model: host.Patcher,
        clip: host.Clip,
        positive: str,
        negative: str,
        stack: list[Any] | None = None,
        embeddings: bool = True,
        mode: str = "auto",
        mismatch: str = "error",
        extra_pnginfo: Any = None,
    ) -> dict[str, Any]:
        before = located([] if stack is None else rows_on_wire(stack))
        (wanted, first), (unwanted, second) = _read("positive", positive), _read("negative", negative)
        second, twice = not_in(first, second)
        rows = [*before, *first, *second]
        applied = apply_rows(self, model, clip, rows, mismatch, mode, extra_pnginfo)
        report = "\n".join([*map(_said_twice, twice), applied.report])
        encoded = [
            host.encode(applied.clip, encoder_words(prompt, embeddings)) for prompt in (wanted, unwanted)
        ]
        results = (applied.model, applied.clip, *encoded, report, words_of([*first, *second]))
        return output(applied.verdicts, report, results)


def _read(place: str, text: str) -> tuple[Prompt, list[Entry]]:
    """A prompt, and the rows of its tags. Raises BadStackText or UnresolvedLora, beginning with the input."""
    try:
        prompt = read_prompt(text)
        return prompt, rows_of(prompt.stack)
    except RackError as error:
        error.begin_with(place)
        raise


def _said_twice(entry: Entry) -> str:
    return f"{entry.name}: in both prompts with the same parts, applied once"
