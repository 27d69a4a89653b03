"""Write `night_words`, a LoRA of the text encoder alone, made by hand: it turns the word "day" into "night".

    python -m tools.demo_model.word_lora demo/models

It belongs to the stand-in encoder of text_encoder.py, whose layers pass their input on. In the last layer
that the host reads, one hidden unit of the MLP is made to answer to the row of "day", and its output adds
(row of "night" minus row of "day"). Both steps carry the strength, so the change grows with its square:
none at 0, a quarter at 0.5, all at 1. Below 0 the unit is silent and nothing happens.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .captions import WORD_TOKENS
from .export import LICENSE, TITLE, write
from .text_encoder import LAYERS, WIDTH, token_rows

LAYER = LAYERS - 2  # the host's SD3 takes the hidden state before the last layer
ANSWER = 8.0  # the unit's value for "day": large, so that its activation (quick GELU) is a straight line
DESCRIPTION = 'Text encoder only: reads "day" as "night". Strength 0 to 1; below 0 it does nothing.'


def word_tensors(heard: str, said: str) -> dict[str, Tensor]:
    """The LoRA's tensors, rank 1: `heard` is replaced by `said`."""
    rows = torch.from_numpy(token_rows().astype(np.float32))
    before, after = rows[WORD_TOKENS[heard]], rows[WORD_TOKENS[said]]
    normal = torch.nn.functional.layer_norm(before, (WIDTH,))
    unit = torch.zeros(4 * WIDTH, 1)
    unit[0] = 1
    name = f"lora_te1_text_model_encoder_layers_{LAYER}_mlp"
    return {
        f"{name}_fc1.lora_down.weight": ANSWER * normal[None] / normal.square().sum(),
        f"{name}_fc1.lora_up.weight": unit,
        f"{name}_fc1.alpha": torch.tensor(1.0),
        f"{name}_fc2.lora_down.weight": unit.T.clone(),
        f"{name}_fc2.lora_up.weight": (after - before)[:, None] / ANSWER,
        f"{name}_fc2.alpha": torch.tensor(1.0),
    }


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", type=Path)
    metadata = {
        "ss_output_name": "night_words",
        "ss_network_module": "networks.lora_sd3",
        "ss_network_dim": "1",
        "ss_network_alpha": "1",
        "ss_base_model_version": "rack_demo_sd3_tiny",
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "stable-diffusion-3-medium/lora",
        "modelspec.implementation": "https://github.com/Stability-AI/sd3-ref",
        "modelspec.title": f"{TITLE}: night_words",
        "modelspec.description": DESCRIPTION,
        "modelspec.author": "ComfyUI-LoRA-Rack",
        "modelspec.license": LICENSE,
        "modelspec.usage_hint": "text encoder strength 0 to 1",
    }
    path = parser.parse_args().models / "loras" / "night_words.safetensors"
    write(word_tensors("day", "night"), path, metadata)


if __name__ == "__main__":
    main()
