"""From caption words to what the diffusion model is given: the distinct token rows and how often each occurs.

The rows are those of text_encoder.py. The host puts a start token, the words and end tokens up to 77 into one
prompt; without a text encoder it gives 77 rows of zeros, which is the demo's unconditional input.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .scenes import VOCABULARY
from .text_encoder import TOKENS, token_rows

# The token of each word of VOCABULARY in CLIP's byte-pair vocabulary (each is one whole token).
WORD_TOKENS = {
    "dawn": 7689, "day": 575, "sunset": 3424, "night": 930,
    "mountains": 5873, "lake": 2553, "hills": 5289, "sea": 2102,
    "summer": 1673, "autumn": 6110, "winter": 2541,
    "pines": 20338, "house": 1212, "boat": 4440, "clouds": 6244,
}  # fmt: skip
START, END, PROMPT_TOKENS = 49406, 49407, 77
SLOTS = 9  # start, up to six words, end, one stray word
NO_TEXT_SHARE, NO_WORDS_SHARE, WORD_LOSS, STRAY_SHARE = 0.20, 0.06, 0.10, 0.15


@dataclass(frozen=True)
class Context:
    """Distinct token rows (n, SLOTS, 768) and the logarithm of how many of each, (n, SLOTS); -inf pads."""

    rows: Tensor
    log_count: Tensor


class Captioner:
    """Makes contexts, with the token rows at hand."""

    def __init__(self) -> None:
        self.table = torch.from_numpy(token_rows().astype(np.float32))
        self.word_tokens = np.array([WORD_TOKENS[word] for word in VOCABULARY])

    def contexts(self, prompts: list[list[int] | None]) -> Context:
        """Contexts of prompts given as word tokens; None stands for no text encoder at all."""
        rows = torch.zeros(len(prompts), SLOTS, self.table.shape[1])
        log_count = torch.full((len(prompts), SLOTS), -math.inf)
        for i, tokens in enumerate(prompts):
            if tokens is None:
                log_count[i, 0] = math.log(PROMPT_TOKENS)
                continue
            listed = [START, *tokens, END]
            rows[i, : len(listed)] = self.table[listed]
            log_count[i, : len(listed) - 1] = 0
            log_count[i, len(listed) - 1] = math.log(PROMPT_TOKENS - len(listed) + 1)
        return Context(rows, log_count)

    def prompts(self, texts: list[str]) -> Context:
        """Contexts of prompts written in words of the vocabulary."""
        return self.contexts([[WORD_TOKENS[word] for word in text.split()] for text in texts])

    def training(
        self, words: NDArray[np.bool_], rng: np.random.Generator, no_text: float = NO_TEXT_SHARE
    ) -> Context:
        """Contexts of captions (n, words), some with words missing, a stray word, no words, or no text."""
        prompts: list[list[int] | None] = []
        for has in words:
            draw = rng.random()
            if draw < no_text:
                prompts.append(None)
                continue
            kept = has & (rng.random(len(has)) >= WORD_LOSS)
            tokens = [] if draw < no_text + NO_WORDS_SHARE else [int(t) for t in self.word_tokens[kept]]
            if rng.random() < STRAY_SHARE:
                tokens.append(int(rng.integers(TOKENS - 2)))
            prompts.append(tokens)
        return self.contexts(prompts)
