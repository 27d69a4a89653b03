"""Curves and steps against weights set by hand before each call, whatever levels the sampler asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import comfy.utils
import layouts
import lora_files
import numpy
import pytest
import torch
from patching import our_stack, patched_weights
from sampling import apart, sample
from test_equality import kohya_tensors
from test_live import TOLERANCE, save_loras
from test_live_windows import windowed

LAYOUT = "sd3"
SAMPLERS = (
    "euler",
    "heun",
    "dpm_2",
    "dpmpp_sde",
    "dpmpp_2m_sde",
)  # 2 to 4 look between levels, 4 and 5 add noise
POINTS = ((0.0, -0.4), (0.3, 0.9), (0.8, 0.2))
Strength = Callable[[float, list[float]], float]


def by_hand(pack: Any, model: Any, strength: Strength) -> Any:
    """The model with the LoRA "0" at the strength of each noise level, written before each call."""
    merged, _, _ = our_stack(pack, model, None, [("0", 1.0, 0.0)], mode="merged")
    wanted = patched_weights(merged)
    clone = model.clone()

    def call(apply_model: Any, arguments: dict[str, Any]) -> Any:
        sigmas = arguments["c"]["transformer_options"]["sample_sigmas"].tolist()
        factor = strength(float(arguments["timestep"][0]), sigmas)
        held = {key: comfy.utils.get_attr(clone.model, key) for key in wanted}
        before = {key: tensor.detach().clone() for key, tensor in held.items()}
        try:
            for key, tensor in held.items():
                tensor.data.add_(factor * (wanted[key] - before[key]))
            return apply_model(arguments["input"], arguments["timestep"], **arguments["c"])
        finally:
            for key, tensor in held.items():
                tensor.data.copy_(before[key])

    clone.set_model_unet_function_wrapper(call)
    return clone


def along(model: Any, points: tuple[tuple[float, float], ...]) -> Strength:
    """A curve over the host's own fractions, read off a fine table of them."""
    fractions = numpy.linspace(0, 1, 20_001)
    limit = model.get_model_object("model_sampling").percent_to_sigma
    levels = numpy.array([float(limit(float(fraction))) for fraction in fractions])
    places, strengths = zip(*points, strict=True)

    def at(sigma: float, sigmas: list[float]) -> float:
        fraction = numpy.interp(-sigma, -levels, fractions)
        return float(numpy.interp(fraction, places, strengths))

    return at


def in_steps(first: int, last: int, strength: float) -> Strength:
    """On in steps of the sampler: each is its level and what lies before the next."""

    def at(sigma: float, sigmas: list[float]) -> float:
        (step,) = (
            number
            for number, (level, after) in enumerate(zip(sigmas, [*sigmas[1:-1], -1.0], strict=False), start=1)
            if after + 1e-6 < sigma <= level + 1e-6
        )
        return strength * (first <= step <= last)

    return at


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_curve_is_exact_at_every_call_of_the_model(pack: Any, lora_folder: Path, sampler: str) -> None:
    model, _ = layouts.load(LAYOUT, torch.float32)
    save_loras(lora_folder, LAYOUT, model, count=1)
    curve = ",".join(f"{strength:g}@{place:g}" for place, strength in POINTS)
    live, _, report = windowed(pack, model, f"<lora:0:{curve}>")
    assert f"live along {curve}" in report
    wanted = sample(by_hand(pack, model, along(model, POINTS)), LAYOUT, cfg=1.0, sampler=sampler)
    assert apart(sample(live, LAYOUT, cfg=1.0, sampler=sampler), wanted) <= TOLERANCE
    constant, _, _ = our_stack(pack, model, None, [("0", 0.9, 0.0)])
    assert apart(wanted, sample(constant, LAYOUT, cfg=1.0, sampler=sampler)) > 10 * TOLERANCE


@pytest.mark.parametrize("sampler", SAMPLERS[:2])
@pytest.mark.parametrize(
    "more", [{}, {"denoise": 0.6}, {"scheduler": "karras"}, {"start_step": 2, "last_step": 5}]
)
def test_steps_are_those_the_sampler_makes(
    pack: Any, lora_folder: Path, sampler: str, more: dict[str, Any]
) -> None:
    model, _ = layouts.load(LAYOUT, torch.float32)
    save_loras(lora_folder, LAYOUT, model, count=1)
    live, _, report = windowed(pack, model, "<lora:0:0.8:steps=2-3>")
    assert "live in steps 2-3" in report
    wanted = sample(by_hand(pack, model, in_steps(2, 3, 0.8)), LAYOUT, cfg=1.0, sampler=sampler, **more)
    assert apart(sample(live, LAYOUT, cfg=1.0, sampler=sampler, **more), wanted) <= TOLERANCE
    assert apart(wanted, sample(model, LAYOUT, cfg=1.0, sampler=sampler, **more)) > 10 * TOLERANCE


def test_a_curve_that_would_need_a_text_encoder_with_steps_is_refused(pack: Any, lora_folder: Path) -> None:
    model, clip = layouts.load("sd15", torch.float32)
    lora_files.save(lora_folder / "0.safetensors", kohya_tensors("sd15", model, clip, 0))
    with pytest.raises(Exception, match=r"text encoder, which works before it. Write unet=0@0,1@1:te=1"):
        windowed(pack, model, "<lora:0:0@0,1@1>", clip=clip)
    _, patched, report = windowed(pack, model, "<lora:0:unet=0@0,1@1:te=0.5>", clip=clip)
    assert patched.patcher.patches
    assert "0.safetensors at model 0@0,1@1, text encoder 0.5" in report
    windowed(pack, model, "<lora:0:0@0,1@1>")  # no text encoder is connected


def test_load_lora_takes_a_schedule(pack: Any, lora_folder: Path) -> None:
    model, _ = layouts.load(LAYOUT, torch.float32)
    save_loras(lora_folder, LAYOUT, model, count=1)
    node = pack.NODE_CLASS_MAPPINGS["LoraRackLoad"]
    loaded, _, _ = node().load(model, "0.safetensors", 0.5, 0.0, schedule="0@0,1.6@1:steps=2-4")
    wanted, _, _ = windowed(pack, model, "<lora:0:unet=0@0,0.8@1:te=0:steps=2-4>")
    assert apart(sample(loaded, LAYOUT), sample(wanted, LAYOUT)) == 0
    assert node.VALIDATE_INPUTS("0.safetensors", schedule="0@0,1@2") == (
        "schedule, column 7: found '2', expected a fraction of the sampling from 0 to 1: step 10 of 20 is 0.5"
    )


def test_a_merged_curve_is_refused(pack: Any, lora_folder: Path) -> None:
    model, _ = layouts.load(LAYOUT, torch.float32)
    save_loras(lora_folder, LAYOUT, model, count=1)
    for part in ("0@0,1@1", "0.8:steps=2"):
        with pytest.raises(Exception, match="merged weights stay the same"):
            windowed(pack, model, f"<lora:0:{part}>", mode="merged")
