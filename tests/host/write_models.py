"""Writes models of each layout, and LoRAs for them, into a host's models folder: for the api ring.

Run in the host's interpreter with RACK_HOST_DIR set: `python write_models.py MODELS_FOLDER`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import in_host

in_host.enter_host()

import layouts  # noqa: E402
import lora_files  # noqa: E402
import torch  # noqa: E402

# Fewer and smaller weights than the host ring trains: what matters here is the way through the API.
TRAINED = {
    "sd15": ("attn",),
    "sdxl": ("attn",),
    "sd3": ("attn.qkv", "mlp.fc"),
    "flux": ("img_attn.qkv", "linear2"),
}
LORAS = 8


def main(models: Path) -> None:
    for layout in {**layouts.LAYOUTS, "flux": layouts.RELEASED_FLUX}.values():
        # Processors are slow in half precision; Flux stays in it for its size.
        state = layout.state_dict(torch.bfloat16 if layout.name == "flux" else torch.float32)
        folder = "checkpoints" if layout.has_clip else "diffusion_models"
        lora_files.save(models / folder / f"{layout.name}.safetensors", state)
        prefix = "model.diffusion_model."
        shapes = {k.removeprefix(prefix): tuple(v.shape) for k, v in state.items() if k.startswith(prefix)}
        layers = lora_files.kohya_layers(shapes, TRAINED[layout.name], "lora_unet_")
        if layout.has_clip:
            prefix = "cond_stage_model.transformer."
            shapes = {
                k.removeprefix(prefix): tuple(v.shape) for k, v in state.items() if k.startswith(prefix)
            }
            layers |= lora_files.kohya_layers(shapes, ("self_attn", "mlp.fc"), "lora_te_")
        for seed in range(LORAS):
            tensors = lora_files.low_rank_tensors(layers, seed, rank=4)
            lora_files.save(models / "loras" / layout.name / f"style_{seed}.safetensors", tensors)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
