"""Whole samplings of the small models of layouts.py, through the host's own samplers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import comfy.sample
import comfy.samplers
import torch
from torch import Tensor

# Latent channels, width of the conditioning and of its pooled vector, per layout.
_SIZES = {"sd15": (4, 768, None), "sdxl": (4, 2048, 1280), "sd3": (16, 4096, 2048), "flux": (16, 4096, 768)}
STEPS = 5


def _random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def conditioning(layout: str, seed: int, tokens: int = 9, **more: Any) -> list[Any]:
    """What a text encoder would give."""
    _, width, pooled = _SIZES[layout]
    extra = {} if pooled is None else {"pooled_output": _random(1, pooled, seed=seed + 50)}
    return [[_random(1, tokens, width, seed=seed), {**extra, **more}]]


def noise(layout: str, rows: int = 1, seed: int = 1) -> Tensor:
    """The same noise for every row."""
    return _random(1, _SIZES[layout][0], 8, 8, seed=seed).repeat(rows, 1, 1, 1)


def sample(
    model: Any,
    layout: str,
    rows: int = 1,
    sampler: str = "euler",
    scheduler: str = "simple",
    cfg: float = 4.0,
    steps: int = STEPS,
    positive: Sequence[Any] | None = None,
    latent: Tensor | None = None,
    **more: Any,
) -> Tensor:
    """The latent after a sampling from noise, or on from a latent."""
    start = noise(layout, rows)
    return comfy.sample.sample(
        model,
        torch.zeros_like(start) if more.get("disable_noise") else start,
        steps,
        cfg,
        sampler,
        scheduler,
        conditioning(layout, 2) if positive is None else positive,
        conditioning(layout, 3),
        torch.zeros_like(start) if latent is None else latent,
        seed=5,
        disable_pbar=True,
        **more,
    )


def apart(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference in standard deviations."""
    assert ours.isfinite().all()
    return ((ours - theirs).abs().max() / theirs.std()).item()
