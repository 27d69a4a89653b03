"""A video model small enough for two cores: Wan 2.1 of random weights, as the host detects and samples it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import comfy.sample
import comfy.sd
import torch
from comfy.ldm.wan.model import WanModel
from layouts import OPERATIONS
from torch import Tensor

WIDTH = 256
FRAMES = 3


def random(*shape: int, seed: int, size: float = 1.0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * size


@lru_cache(maxsize=1)
def load() -> Any:
    """The host's ModelPatcher."""
    sizes = {"dim": WIDTH, "ffn_dim": 512, "num_heads": WIDTH // 128, "num_layers": 2}
    shapes = {key: value.shape for key, value in WanModel("t2v", **sizes, **OPERATIONS).state_dict().items()}
    weights = {key: random(*shape, seed=i, size=0.05) for i, (key, shape) in enumerate(shapes.items())}
    return comfy.sd.load_diffusion_model_state_dict(weights, model_options={"dtype": torch.float32})


def sample(model: Any, start: Tensor, indices: Any = None, sampler: str = "euler", **more: Any) -> Tensor:
    """Four steps of the host's, from the noise of one seed."""
    drawn = comfy.sample.prepare_noise(start, 7, indices)
    conds = [[[random(1, 9, 4096, seed=seed), {}]] for seed in (2, 3)]
    return comfy.sample.sample(
        model, drawn, 4, 3.0, sampler, "simple", *conds, start, seed=7, disable_pbar=True, **more
    )
