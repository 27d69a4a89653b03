"""Generate the stand-in text encoder: a CLIP-L shaped file with one fixed random row per token.

    python -m tools.demo_model.text_encoder OUT.safetensors

Token rows are +0.125 or -0.125, from numpy's Philox bits; every other weight is zero (layer norms: one), so
each layer passes its input on and the host's hidden state is exactly the row of each token: a bag of words.
The file (about 247 MB) is the same on every machine and is not committed. Load it with CLIPLoader, type
sd3.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

SEED = 20240607
TOKENS, WIDTH, LAYERS, POSITIONS = 49408, 768, 12, 77
PREFIX = "text_model."


def token_rows() -> NDArray[np.float16]:
    """The embedding of every token, (49408, 768), each number +-0.125."""
    raw = np.random.Philox(key=SEED).random_raw(TOKENS * WIDTH // 64)
    bits = np.unpackbits(raw.astype("<u8").view(np.uint8), bitorder="little")
    return np.where(bits.reshape(TOKENS, WIDTH) == 1, np.float16(0.125), np.float16(-0.125))


def state_dict() -> dict[str, torch.Tensor]:
    """All tensors of the stand-in encoder, fp16."""
    tensors = {
        "embeddings.token_embedding.weight": torch.from_numpy(token_rows()),
        "embeddings.position_embedding.weight": torch.zeros(POSITIONS, WIDTH, dtype=torch.float16),
    }
    shapes = {f"self_attn.{name}_proj": (WIDTH, WIDTH) for name in ("q", "k", "v", "out")}
    shapes |= {"mlp.fc1": (4 * WIDTH, WIDTH), "mlp.fc2": (WIDTH, 4 * WIDTH)}
    for layer in range(LAYERS):
        for name, shape in shapes.items():
            tensors[f"encoder.layers.{layer}.{name}.weight"] = torch.zeros(shape, dtype=torch.float16)
            tensors[f"encoder.layers.{layer}.{name}.bias"] = torch.zeros(shape[0], dtype=torch.float16)
    norms = [f"encoder.layers.{layer}.layer_norm{k}" for layer in range(LAYERS) for k in (1, 2)]
    for norm in [*norms, "final_layer_norm"]:
        tensors[f"{norm}.weight"] = torch.ones(WIDTH, dtype=torch.float16)
        tensors[f"{norm}.bias"] = torch.zeros(WIDTH, dtype=torch.float16)
    named = {PREFIX + name: tensor for name, tensor in tensors.items()}
    return named | {"text_projection.weight": torch.zeros(WIDTH, WIDTH, dtype=torch.float16)}


def write(path: Path) -> None:
    """Write the encoder; a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        metadata = {"format": "pt", "modelspec.title": "LoRA Rack demo text encoder (generated stand-in)"}
        save_file(state_dict(), unfinished, metadata=metadata)
        unfinished.chmod(0o644)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", type=Path)
    write(parser.parse_args().path)


if __name__ == "__main__":
    main()
