"""The host's samplers and schedulers: which function each is, what it takes, and what draws its noise."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import comfy.samplers
from comfy.k_diffusion import sampling


def record() -> dict[str, Any]:
    names = list(comfy.samplers.KSampler.SAMPLERS)
    functions = {name: comfy.samplers.sampler_object(name).sampler_function for name in names}
    sources = {name: value for name, value in vars(sampling).items() if _is_sampler(name, value)}
    return {
        "samplers": names,
        "schedulers": list(comfy.samplers.KSampler.SCHEDULERS),
        "functions": {name: _described(function) for name, function in functions.items()},
        "k_diffusion_functions": sorted(sources),
        "uses": {name: uses for name, value in sorted(sources.items()) if (uses := _uses(value))},
    }


def _is_sampler(name: str, value: Any) -> bool:
    return name.startswith("sample_") and inspect.isfunction(value)


def _described(function: Callable[..., Any]) -> dict[str, Any]:
    parameters = list(inspect.signature(function).parameters)
    return {
        "function": f"{function.__module__}.{function.__name__}",
        "takes_noise_sampler": "noise_sampler" in parameters,
        "parameters": parameters,
    }


def _uses(function: Callable[..., Any]) -> list[str]:
    """What of k_diffusion's own a sampler names: other samplers, and what draws noise."""
    code = inspect.unwrap(function).__code__
    mentioned = {
        *code.co_names,
        *(name for one in code.co_consts if inspect.iscode(one) for name in one.co_names),
    }
    return sorted(name for name in mentioned if _is_sampler(name, vars(sampling).get(name)) or name in NOISE)


NOISE = ("BrownianTreeNoiseSampler", "default_noise_sampler", "randn_like", "randn")
