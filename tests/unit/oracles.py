"""What the oracles' tests share: layers of a model, stored tensors, a stack applied without a host."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from lora_core.applying.matching import match
from lora_core.applying.patch import Step, fuse
from lora_core.key_maps.key_map import KeyMap, Target
from lora_core.reading.lora import Lora

LINEAR = (24, 40)
CONV = (24, 8, 3, 3)
STRENGTHS = (-1.5, -1.0, 0.0, 0.3, 1.0, 2.0)
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
TOLERANCE = 1e-6  # of the weight's largest number; both sides compute in float32


def layer(shape: tuple[int, ...]) -> nn.Module:
    """A linear layer or convolution with weights of a checkpoint's size."""
    generator = torch.Generator().manual_seed(7)
    out, inner, *kernel = shape
    module = nn.Conv2d(inner, out, tuple(kernel), padding=1) if kernel else nn.Linear(inner, out)
    for parameter in module.parameters():
        parameter.requires_grad_(False)
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.05)
    return module


def relative_error(ours: Tensor, theirs: Tensor) -> float:
    """Largest difference in parts of the weight's largest number."""
    return ((ours.double() - theirs.double()).abs().max() / theirs.double().abs().max()).item()


def check(triples: Sequence[tuple[Tensor, Tensor, Tensor]], record: Callable[[str, object], None]) -> None:
    """Every (ours, theirs, base) agrees, and what they agree on is a change worth the name."""
    largest = max(relative_error(ours, theirs) for ours, theirs, _ in triples)
    record("largest_relative_error", largest)
    assert largest <= TOLERANCE
    assert max(relative_error(theirs, base) for _, theirs, base in triples) > 0.05


def patched(
    weights: Mapping[str, Tensor], names: Mapping[str, Target], loras: Sequence[tuple[Lora, float]]
) -> dict[str, Tensor]:
    """Weights under a stack, through the matching and fusing a host's patches go through."""
    key_map = KeyMap.of(names, {key: tuple(weight.shape) for key, weight in weights.items()})
    matches = [match(lora, key_map) for lora, _ in loras]
    for found in matches:
        found.require_fit()
    changed = {key: weight.clone() for key, weight in weights.items()}
    for key, steps in fuse(matches).at([strength for _, strength in loras]).items():
        for step in steps:
            assert isinstance(step, Step)
            offset, function = step.target.offset, step.target.function
            part = changed[key] if offset is None else changed[key].narrow(*offset)
            result = step.adapter.apply(part, step.strength, torch.float32, function)
            changed[key] = result if offset is None else changed[key]
    return changed
