"""Text ↔ Stack: the one reader and the one writer of LoRA tags (docs/tags.md).

    <lora:styles/ink:0.8>               strength 0.8 for model and text encoder
    <lora:ink:0.3:0.8>                  text encoder 0.3, model 0.8: A1111's order
    <lora:ink:unet=0.8:te=0.3>          the same by name; te left out is 1, unet left out is te
    <lora:ink:0.8:lbw=OUTALL>           block weights; lbwe= those of elements inside blocks
    <lora:ink:0.8:start=0.2:stop=0.7>   between these fractions of the sampling
    <lora:ink:0.8:steps=1-2>            in these steps of the sampler
    <lora:ink:0@0,1@0.3,0.4@1>          a strength at each of these fractions, straight between them
    <lora:ink:0.8:hash=3f2a91c0de>      the file of this content
    <rack:portrait:0.8>                 the rack kept under this name, all its strengths times 0.8
    # <lora:ink:0.8>                    switched off
    # anything else                     a comment

A tag is read as AUTOMATIC1111 reads it (extensions-builtin/Lora, extra_networks_lora.py), with the arguments
of the block-weight extension, but nothing is guessed: what they would skip or take for 1 is an error with its
line and column. source.py keeps places, tags.py takes a tag apart, arguments.py says what its parts mean,
rows.py and prompts.py find tags in texts, scanner.py collects them; single.py is one tag for an editor.
"""

from __future__ import annotations

from ..stack import Stack
from .embeddings import prefix_embeddings
from .prompts import Prompt, PromptScan, read_prompt, scan_prompt, take_out
from .rows import scan
from .scanner import MOST_ERRORS, MOST_ROWS, RackTag, Scan, Tag
from .single import SingleTag, read_single
from .timing import scheduled, with_times
from .writing import write, write_entry, write_row, write_safely

__all__ = [
    "MOST_ERRORS",
    "MOST_ROWS",
    "Prompt",
    "PromptScan",
    "RackTag",
    "Scan",
    "SingleTag",
    "Tag",
    "parse",
    "prefix_embeddings",
    "read_prompt",
    "read_single",
    "scan",
    "scan_prompt",
    "scheduled",
    "take_out",
    "with_times",
    "write",
    "write_entry",
    "write_row",
    "write_safely",
]


def parse(text: str) -> Stack:
    """Read the text of a stack, one or more tags a line.

    Raises BadStackText with line, column, what was found and what was expected, for the first mistake.
    """
    return scan(text, most_errors=1).stack()
