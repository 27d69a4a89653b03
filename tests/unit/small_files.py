"""A small checkpoint and a LoRA for it, written for a test, and what a command says of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from lora_core.cli import main

Q = "input_blocks.1.1.transformer_blocks.0.attn1.to_q"
FC1 = "text_model.encoder.layers.0.mlp.fc1"
UNET_LAYER = "lora_unet_" + Q.replace(".", "_")
TEXT_LAYER = "lora_te_" + FC1.replace(".", "_")


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def write_checkpoint(folder: Path) -> Path:
    """A few tensors of SD1, in float16, and one that is not floating point."""
    tensors = {
        f"model.diffusion_model.input_blocks.{n}.0.in_layers.2.weight": random(8, 8, 3, 3) for n in (1, 2)
    }
    tensors |= {
        "model.diffusion_model.input_blocks.0.0.weight": random(8, 4, 3, 3),
        f"model.diffusion_model.{Q}.weight": random(8, 8),
        f"model.diffusion_model.{Q.replace('to_q', 'to_out.0')}.weight": random(8, 8),
        f"model.diffusion_model.{Q.replace('attn1.to_q', 'attn2.to_k')}.weight": random(8, 768),
        f"cond_stage_model.transformer.{FC1}.weight": random(32, 8),
        "first_stage_model.decoder.conv_in.weight": random(4, 4, 3, 3),
    }
    halves = {key: value.half() for key, value in tensors.items()}
    halves["cond_stage_model.transformer.text_model.embeddings.position_ids"] = torch.arange(4)
    path = folder / "model.safetensors"
    save_file(halves, path, metadata={"format": "pt", "author": "me", "modelspec.hash_sha256": "0xstale"})
    return path


def pair(
    layer: str, out: int, inner: int, suffixes: tuple[str, str] = ("lora_up", "lora_down")
) -> dict[str, Tensor]:
    return {
        f"{layer}.{suffixes[0]}.weight": random(out, 2),
        f"{layer}.{suffixes[1]}.weight": random(2, inner),
    }


def save_lora(path: Path, *layers: Mapping[str, Tensor], **metadata: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {key: value for layer in layers for key, value in layer.items()}, path, metadata=metadata or None
    )
    return path


def write_ink(folder: Path) -> Path:
    """A LoRA on one layer of the model and one of the text encoder."""
    unet = pair(UNET_LAYER, 8, 8)
    text = pair(TEXT_LAYER, 32, 8)
    alpha = {TEXT_LAYER + ".alpha": torch.tensor(1.0)}
    return save_lora(folder / "loras" / "ink.safetensors", unet, text, alpha, ss_output_name="Ink")


def json_of(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    """Run a command with --json and read what it prints."""
    main([*map(str, arguments), "--json"])
    return json.loads(capsys.readouterr().out)
