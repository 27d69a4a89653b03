"""The host's samplers, asked to treat a batch as several batches that know nothing of each other.

A group is the rows of one strength, as many as the latent has. Each group must get the noise it would get
alone; samplers.json says how each sampler draws it. A sampler not listed there runs a group at a time.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import comfy.samplers
import torch
from comfy.k_diffusion import sampling
from torch import Tensor

_TABLE = Path(__file__).with_name("samplers.json")


def why_alone(sampler: Any) -> str:
    """Why a sampler can take one group at a time only; empty where it can take many."""
    if type(sampler) is not comfy.samplers.KSAMPLER:
        return f"the sampler is a {type(sampler).__name__}, which this pack does not know"
    name = getattr(sampler.sampler_function, "__name__", repr(sampler.sampler_function))
    kind = _kind(sampler)
    if kind == "adaptive":
        return f"the sampler {name} chooses its steps by the whole batch"
    if kind is None:
        return f"the sampler {name} is unknown to this pack"
    if "noise_sampler" in sampler.extra_options or sampler.extra_options.get("s_churn", 0) > 0:
        return f"the sampler {name} is set to draw noise in a way that cannot be shared"
    return ""


def for_groups(sampler: Any, size: int) -> Any:
    """A copy of a sampler that gives every group, `size` rows each, the noise it would get alone."""
    shared = copy.copy(sampler)
    kind = _kind(sampler)
    run = sampler.sampler_function
    is_random_inpaint = sampler.inpaint_options.get("random", False)

    def run_groups(model: Any, x: Tensor, sigmas: Tensor, extra_args: Any = None, **rest: Any) -> Tensor:
        alone = x.new_empty((size, *x.shape[1:]))
        seed = (extra_args or {}).get("seed")
        if is_random_inpaint:
            model.noise = _repeated(_inpaint_noise(alone, model.noise, seed), x)
        if kind in _NOISE and len(sigmas) > 1:
            draw = _NOISE[kind](alone, sigmas, seed)
            rest["noise_sampler"] = lambda *between: _repeated(draw(*between), x)
        samples: Tensor = run(model, x, sigmas, extra_args=extra_args, **rest)
        return samples

    shared.sampler_function = run_groups
    return shared


def _kind(sampler: Any) -> str | None:
    run = sampler.sampler_function
    return _kinds().get((getattr(run, "__module__", ""), getattr(run, "__name__", "")))


@lru_cache(maxsize=1)
def _kinds() -> Mapping[tuple[str, str], str]:
    table = json.loads(_TABLE.read_text(encoding="utf-8"))
    del table["source"]
    return {
        (module, name): kind
        for kind, modules in table.items()
        for module, names in modules.items()
        for name in names
    }


def _repeated(noise: Tensor, x: Tensor) -> Tensor:
    return noise.repeat(x.shape[0] // noise.shape[0], *[1] * (noise.ndim - 1))


def _inpaint_noise(alone: Tensor, like: Tensor, seed: int | None) -> Tensor:
    """What `KSAMPLER.sample` of the host draws for the kept part of a picture, for one group."""
    generator = torch.manual_seed((41 if seed is None else seed) + 1)
    return torch.randn(alone.shape, generator=generator, device="cpu").to(like.dtype).to(like.device)


def _gaussian(alone: Tensor, sigmas: Tensor, seed: int | None) -> Callable[..., Tensor]:
    draw: Callable[..., Tensor] = sampling.default_noise_sampler(alone, seed=seed)
    return draw


def _brownian(is_on_cpu: bool) -> Callable[..., Callable[..., Tensor]]:
    def draw(alone: Tensor, sigmas: Tensor, seed: int | None) -> Callable[..., Tensor]:
        low, high = sigmas[sigmas > 0].min(), sigmas.max()
        noise: Callable[..., Tensor] = sampling.BrownianTreeNoiseSampler(
            alone, low, high, seed=seed, cpu=is_on_cpu
        )
        return noise

    return draw


_NOISE: Mapping[str | None, Callable[..., Callable[..., Tensor]]] = {
    "gaussian": _gaussian,
    "brownian, drawn on the CPU": _brownian(True),
    "brownian, drawn on the device": _brownian(False),
}
