"""Write the trained parts as files the host loads: one checkpoint, and LoRA files with kohya's names.

    python -m tools.demo_model.export CACHE_DIR demo/models

reads `code.pt`, `decoder.pt`, `diffusion.pt` and any `add_*.pt` from CACHE_DIR and writes
`checkpoints/rack_demo.safetensors` and `loras/add_*.safetensors`, all in fp16.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from .autoencoder import DECODER_SCALE, LATENT_CHANNELS, PATCH_PX, PatchCode
from .sliders import ALPHA, RANK, SLIDERS

HOST_WIDTH = 64
# The host's SD3 latent format: model latent = (VAE latent - shift) * scale.
SD3_SCALE, SD3_SHIFT = 1.5305, 0.0609

TITLE = "LoRA Rack demo"
LICENSE = "GPL-3.0-or-later"


def pad_decoder(decoder: dict[str, Tensor]) -> dict[str, Tensor]:
    """The narrow decoder's weights in the host's 64 channels; the new channels are and stay zero."""
    padded = {}
    for name, tensor in decoder.items():
        is_first, is_last = name.startswith("1."), name.startswith("19.")
        grow_out = 0 if is_last else HOST_WIDTH - tensor.shape[0]
        if tensor.ndim == 1:
            padded[name] = F.pad(tensor, (0, grow_out))
        else:
            tensor = tensor.unflatten(1, (-1, 3, 3))
            grow_in = 0 if is_first else HOST_WIDTH - tensor.shape[1]
            padded[name] = F.pad(tensor, (0, 0, 0, 0, 0, grow_in, 0, grow_out))
    return padded


def encoder_weights(code: PatchCode) -> dict[str, Tensor]:
    """The linear code written exactly into TAESD's encoder.

    Two stride-2 convolutions move each 4 x 4 block of pixels into 48 channels, the third takes the 16
    components p of the 8 x 8 patch as relu(p) and relu(-p), the last layer subtracts the two and the mean.
    Blocks of zero weights pass non-negative values on.
    """
    weights: dict[str, Tensor] = {}
    for index in (1, 3, 4, 5, 7, 8, 9, 11, 12, 13):
        for layer in (0, 2, 4):
            weights[f"{index}.conv.{layer}.weight"] = torch.zeros(HOST_WIDTH, HOST_WIDTH, 3, 3)
            weights[f"{index}.conv.{layer}.bias"] = torch.zeros(HOST_WIDTH)
    first = torch.zeros(HOST_WIDTH, 3, 3, 3)
    first[torch.arange(3), torch.arange(3), 1, 1] = 1
    weights |= {"0.weight": first, "0.bias": torch.zeros(HOST_WIDTH)}
    for index, channels in ((2, 3), (6, 12)):
        gather = torch.zeros(HOST_WIDTH, HOST_WIDTH, 3, 3)
        for y in (0, 1):
            for x in (0, 1):
                for channel in range(channels):
                    # Channel order after the step: (y, x, channel). Output i sees inputs 2i - 1, 2i, 2i + 1.
                    gather[(y * 2 + x) * channels + channel, channel, 1 + y, 1 + x] = 1
        weights[f"{index}.weight"] = gather
    weights["10.weight"] = _component_convolution(code)
    last = torch.zeros(LATENT_CHANNELS, HOST_WIDTH, 3, 3)
    which = torch.arange(LATENT_CHANNELS)
    last[which, which, 1, 1] = 1
    last[which, which + LATENT_CHANNELS, 1, 1] = -1
    weights["14.weight"] = last
    weights["14.bias"] = -DECODER_SCALE * (code.encode_matrix @ code.mean)
    return weights


def _component_convolution(code: PatchCode) -> Tensor:
    """The third stride-2 convolution: 48 channels (y1, x1, y0, x0, colour) of 2 x 2 cells to +p and -p."""
    matrix = DECODER_SCALE * code.encode_matrix.reshape(LATENT_CHANNELS, PATCH_PX, PATCH_PX, 3)
    kernel = torch.zeros(HOST_WIDTH, HOST_WIDTH, 3, 3)
    for y in range(PATCH_PX):
        for x in range(PATCH_PX):
            (y2, y1, y0), (x2, x1, x0) = ((v >> 2, v >> 1 & 1, v & 1) for v in (y, x))
            start = ((y1 * 2 + x1) * 4 + y0 * 2 + x0) * 3
            part = matrix[:, y, x, :]
            kernel[:LATENT_CHANNELS, start : start + 3, 1 + y2, 1 + x2] = part
            kernel[LATENT_CHANNELS : 2 * LATENT_CHANNELS, start : start + 3, 1 + y2, 1 + x2] = -part
    return kernel


def checkpoint(
    code: PatchCode, decoder: dict[str, Tensor], diffusion: dict[str, Tensor]
) -> dict[str, Tensor]:
    """All tensors of the checkpoint under the host's names."""
    tensors = {f"model.diffusion_model.{name}": tensor for name, tensor in diffusion.items()}
    tensors |= {f"first_stage_model.taesd_encoder.{n}": t for n, t in encoder_weights(code).items()}
    tensors |= {f"first_stage_model.taesd_decoder.{n}": t for n, t in pad_decoder(decoder).items()}
    tensors["first_stage_model.vae_scale"] = torch.tensor(SD3_SCALE * DECODER_SCALE)
    tensors["first_stage_model.vae_shift"] = torch.tensor(SD3_SHIFT)
    # Makes the host build a text encoder of no size, which gives zeros for every prompt.
    tensors["text_encoders.none"] = torch.zeros(1)
    return tensors


def slider_metadata(name: str, steps: int) -> dict[str, str]:
    """The header of a slider's file: kohya's fields and the model specification's."""
    slider = SLIDERS[name]
    return {
        "ss_output_name": name,
        "ss_network_module": "networks.lora_sd3",
        "ss_network_dim": str(RANK),
        "ss_network_alpha": str(ALPHA),
        "ss_base_model_version": "rack_demo_sd3_tiny",
        "ss_sd_model_name": "rack_demo.safetensors",
        "ss_steps": str(steps),
        "ss_resolution": "(128, 128)",
        "ss_training_comment": slider.description,
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "stable-diffusion-3-medium/lora",
        "modelspec.implementation": "https://github.com/Stability-AI/sd3-ref",
        "modelspec.title": f"{TITLE}: {name}",
        "modelspec.description": slider.description,
        "modelspec.author": "ComfyUI-LoRA-Rack",
        "modelspec.license": LICENSE,
        "modelspec.usage_hint": "strength -2 to 2",
        "modelspec.resolution": "128x128",
    }


def write(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Write fp16 tensors; a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        halves = {name: tensor.detach().to(torch.float16).contiguous() for name, tensor in tensors.items()}
        save_file(halves, unfinished, metadata={"format": "pt", **metadata})
        unfinished.chmod(0o644)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    print(f"{path}  {path.stat().st_size} bytes")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("models", type=Path)
    options = parser.parse_args()
    folder: Path = options.folder
    decoder, diffusion = torch.load(folder / "decoder.pt"), torch.load(folder / "diffusion.pt")
    metadata = {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "stable-diffusion-3-medium",
        "modelspec.title": TITLE,
        "modelspec.description": "A tiny landscape model for trying and testing ComfyUI-LoRA-Rack.",
        "modelspec.author": "ComfyUI-LoRA-Rack",
        "modelspec.license": LICENSE,
        "modelspec.resolution": "128x128",
        "rack_demo.steps": f"decoder {decoder['step']}, diffusion {diffusion['step']}",
    }
    tensors = checkpoint(PatchCode.load(folder / "code.pt"), decoder["average"], diffusion["average"])
    write(tensors, options.models / "checkpoints" / "rack_demo.safetensors", metadata)
    for name in SLIDERS:
        if (folder / f"{name}.pt").exists():
            saved = torch.load(folder / f"{name}.pt")
            path = options.models / "loras" / f"{name}.safetensors"
            write(saved["lora"], path, slider_metadata(name, saved["steps"]))


if __name__ == "__main__":
    main()
