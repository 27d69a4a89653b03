"""A saved file in PEFT's names, loaded by PEFT, gives the weights of the stack."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file
from small_files import UNET_LAYER, Q, random, save_lora
from torch import Tensor, nn

from lora_core.cli import main

CLOSE = 1e-6  # of a weight's scale: float32 added up in another order
CONV = "input_blocks.1.0.in_layers.2"
# PEFT's path of a layer, as diffusers' UNet has it → the checkpoint's.
LAYERS = {
    "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q": Q,
    "down_blocks.0.resnets.0.conv1": CONV,
}


class _Model(nn.Module):
    """Layers at their paths, with the checkpoint's weights."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        for path, weight in weights.items():
            *folders, name = path.split(".")
            here: nn.Module = self
            for folder in folders:
                if not hasattr(here, folder):
                    here.add_module(folder, nn.Module())
                here = getattr(here, folder)
            out, inner, *kernel = weight.shape
            layer = nn.Conv2d(inner, out, kernel, bias=False) if kernel else nn.Linear(inner, out, bias=False)
            layer.weight.data.copy_(weight)
            here.add_module(name, layer)


@pytest.mark.parametrize("size", [[], ["--rank", "2"]])
def test_peft_gives_the_weights_of_the_stack(checkpoint: Path, tmp_path: Path, size: list[str]) -> None:
    conv = f"lora_unet_{CONV.replace('.', '_')}"
    stack = []
    for rank, strength in ((2, 0.7), (3, -0.4)):
        tensors = {
            f"{UNET_LAYER}.lora_up.weight": random(8, rank),
            f"{UNET_LAYER}.lora_down.weight": random(rank, 8),
            f"{conv}.lora_up.weight": random(8, rank, 1, 1),
            f"{conv}.lora_down.weight": random(rank, 8, 3, 3),
        }
        stack.append(f"{save_lora(tmp_path / f'{rank}.safetensors', tensors)}:{strength}")
    out, baked = tmp_path / "saved.safetensors", tmp_path / "baked.safetensors"
    words = ["--naming", "diffusers", "--model", str(checkpoint), "--out", str(out)]
    assert main(["save", *stack, *size, *words]) == 0
    merge = [str(out)] if size else stack
    assert main(["merge", *merge, "--into", str(checkpoint), "--dtype", "fp32", "--out", str(baked)]) == 0

    tensors = {key.removeprefix("unet."): tensor for key, tensor in load_file(out).items()}
    before, expected = load_file(checkpoint), load_file(baked)
    key = "model.diffusion_model.{}.weight".format
    config = LoraConfig(
        r=1,
        lora_alpha=1,
        target_modules=list(LAYERS),
        rank_pattern={path: tensors[f"{path}.lora_A.weight"].shape[0] for path in LAYERS},
        alpha_pattern={path: float(tensors[f"{path}.alpha"]) for path in LAYERS},
    )
    weights = {path: before[key(own)].float() for path, own in LAYERS.items()}
    model = get_peft_model(_Model(weights), config)
    factors = {f"base_model.model.{name}": t for name, t in tensors.items() if not name.endswith(".alpha")}
    result = set_peft_model_state_dict(model, factors)
    assert not result.unexpected_keys
    found = model.merge_and_unload().state_dict()
    for path, own in LAYERS.items():
        ours = expected[key(own)]
        assert not torch.equal(ours, weights[path])
        error = (found[f"{path}.weight"] - ours).abs().max()
        assert float(error) <= CLOSE * float(ours.abs().max())
