"""The three sliders: what each says of itself and does to a picture, and the LoRA that learns it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .colour import change_brightness, change_saturation
from .diffusion import DEPTH, TinyMMDiT
from .paint import Array

RANK, ALPHA = 8, 4
LAYERS = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")


@dataclass(frozen=True)
class Slider:
    """One slider; `change` maps picture and strength to the wanted picture; None: repaint at that detail."""

    description: str
    steps: int
    change: Callable[[Array, float], Array] | None


SLIDERS = {
    "add_detail": Slider(
        "Positive: engraved lines, ripples, rings round the sun, more stars. Negative: soft and bare.",
        240,
        None,
    ),
    "add_saturation": Slider(
        "Positive: more colourful. Negative: towards grey. Lightness stays.", 120, change_saturation
    ),
    "add_brightness": Slider(
        "Positive: lighter. Negative: darker. Colourfulness stays.", 120, change_brightness
    ),
}


class SliderLinear(nn.Module):
    """A frozen layer plus strength · (alpha / rank) · up(down(x)), Hu et al. 2021; a strength per sample."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base
        self.down = nn.Parameter(torch.randn(RANK, base.in_features) / base.in_features**0.5)
        self.up = nn.Parameter(torch.zeros(base.out_features, RANK))
        self.strength = torch.zeros(1)

    def forward(self, x: Tensor) -> Tensor:
        """x (n, tokens, in)."""
        change = (x @ self.down.T) @ self.up.T
        return self.base(x) + self.strength[:, None, None] * (ALPHA / RANK) * change


def add_slider(model: TinyMMDiT) -> dict[str, SliderLinear]:
    """Put a SliderLinear around each picture-stream layer of `model`, by its kohya name."""
    layers = {}
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for block in range(DEPTH):
        for layer in LAYERS:
            parent_name, _, child_name = f"joint_blocks.{block}.x_block.{layer}".rpartition(".")
            parent = model.get_submodule(parent_name)
            wrapped = SliderLinear(parent.get_submodule(child_name))  # type: ignore[arg-type]
            setattr(parent, child_name, wrapped)
            layers[f"lora_unet_{parent_name}.{child_name}".replace(".", "_")] = wrapped
    return layers


def set_strengths(layers: dict[str, SliderLinear], strengths: Tensor) -> None:
    """Use one strength per sample, (n,), in every layer."""
    for layer in layers.values():
        layer.strength = strengths


def trained(layers: dict[str, SliderLinear]) -> Iterator[nn.Parameter]:
    """The parameters to train."""
    for layer in layers.values():
        yield layer.down
        yield layer.up


def lora_tensors(layers: dict[str, SliderLinear]) -> dict[str, Tensor]:
    """The slider as a LoRA file's tensors."""
    tensors = {}
    for name, layer in layers.items():
        tensors[f"{name}.lora_down.weight"] = layer.down.detach().clone()
        tensors[f"{name}.lora_up.weight"] = layer.up.detach().clone()
        tensors[f"{name}.alpha"] = torch.tensor(float(ALPHA))
    return tensors


def load_lora(layers: dict[str, SliderLinear], tensors: dict[str, Tensor]) -> None:
    """Put the tensors of a LoRA file back into the layers."""
    for name, layer in layers.items():
        layer.down.data.copy_(tensors[f"{name}.lora_down.weight"])
        layer.up.data.copy_(tensors[f"{name}.lora_up.weight"])
