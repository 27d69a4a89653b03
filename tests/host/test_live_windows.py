"""Windows: a LoRA that is on for a part of the sampling, against stages sampled by hand."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import comfy.model_sampling
import comfy.samplers
import layouts
import lora_files
import pytest
import torch
from patching import our_stack, set_by_hand
from sampling import STEPS, apart, sample
from test_equality import kohya_tensors
from test_live import TOLERANCE, save_loras
from torch import Tensor


def windowed(pack: Any, model: Any, text: str, mode: str = "auto", clip: Any = None) -> tuple[Any, Any, str]:
    """The model with a stack as its text says, and the report."""
    stack, _ = pack.NODE_CLASS_MAPPINGS["LoraRackStack"]().build(text)
    applied = pack.NODE_CLASS_MAPPINGS["LoraRackApply"]().apply(model, stack, "error", clip, mode)
    result: tuple[Any, Any, str] = applied["result"][:3]
    return result


def sigmas_of(model: Any, scheduler: str) -> Tensor:
    sigmas: Tensor = comfy.samplers.calculate_sigmas(
        model.get_model_object("model_sampling"), scheduler, STEPS
    )
    return sigmas


def stages(layout: str, models: list[tuple[Any, int]], scheduler: str) -> Tensor:
    """One sampling in stages, each with a model of its own up to a step, as advanced samplers in a row do."""
    latent, first = None, 0
    for model, last in models:
        more = {} if latent is None else {"latent": latent, "disable_noise": True}
        latent = sample(model, layout, cfg=1.0, scheduler=scheduler, start_step=first, last_step=last, **more)
        first = last
    assert latent is not None
    return latent


@pytest.mark.parametrize(
    ("scheduler", "start", "stop"), [("simple", 0.0, 0.5), ("simple", 0.4, 1.0), ("sgm_uniform", 0.3, 0.7)]
)
def test_a_window_equals_stages_sampled_by_hand(
    pack: Any, lora_folder: Path, scheduler: str, start: float, stop: float
) -> None:
    layout = "sd3"
    model, _ = layouts.load(layout, torch.float32)
    save_loras(lora_folder, layout, model)
    merged, _, _ = our_stack(pack, model, None, [("0", 0.8, 0.0)], mode="merged")
    # Which steps the host's own timestep ranges would take.
    limit = model.get_model_object("model_sampling").percent_to_sigma
    sigmas = sigmas_of(model, scheduler)[:-1]
    on = [bool(limit(stop) <= sigma <= limit(start)) for sigma in sigmas]
    first, last = on.index(True), STEPS - on[::-1].index(True)
    assert 0 < last - first < STEPS
    models = [(model, first), (merged, last), (model, STEPS)]
    byhand = stages(layout, [(m, s) for m, s in models if s > 0][: 3 if last < STEPS else 2], scheduler)
    live, _, report = windowed(pack, model, f"<lora:0:0.8:start={start}:stop={stop}>")
    assert f"live from {start:g} to {stop:g} of the sampling" in report
    assert apart(sample(live, layout, cfg=1.0, scheduler=scheduler), byhand) <= TOLERANCE
    assert apart(byhand, sample(merged, layout, cfg=1.0, scheduler=scheduler)) > 10 * TOLERANCE
    assert apart(byhand, sample(model, layout, cfg=1.0, scheduler=scheduler)) > 10 * TOLERANCE


def test_fractions_are_those_of_the_hosts_timestep_ranges(pack: Any) -> None:
    """Every boundary of two decimals against the noise levels of schedules, and of the boundaries too."""
    fraction_of = importlib.import_module(f"{pack.__name__}.nodes.host.live").fraction_of
    sampling = comfy.model_sampling
    flow = sampling.ModelSamplingDiscreteFlow()
    flux = sampling.ModelSamplingFlux()
    kinds = (sampling.ModelSamplingDiscrete(), flow, flux, sampling.ModelSamplingContinuousEDM())
    percents = [hundredth / 100 for hundredth in range(101)]
    for kind in kinds:
        limits = [kind.percent_to_sigma(percent) for percent in percents]
        schedules = [comfy.samplers.calculate_sigmas(kind, name, 7) for name in ("simple", "karras", "beta")]
        levels = torch.cat([torch.tensor(limits[1:-1], dtype=torch.float32), *schedules])
        for level in levels:
            fraction = fraction_of(kind, float(level))
            for percent, limit in zip(percents, limits, strict=True):
                # An entry that starts at 1 or stops at 0 is never on.
                if percent < 1:
                    assert (percent <= fraction) == bool(level <= limit), (type(kind), percent, level)
                if percent > 0:
                    assert (fraction <= percent) == bool(level >= limit), (type(kind), percent, level)


def test_windows_of_two_loras_and_one_that_is_always_on(pack: Any, lora_folder: Path) -> None:
    model, _ = layouts.load("sd3", torch.float32)
    save_loras(lora_folder, "sd3", model, count=3)
    text = "<lora:0:0.5>\n<lora:1:0.8:stop=0.45>\n<lora:2:-0.6:start=0.55>"
    live, _, report = windowed(pack, model, text)
    assert [line.rpartition("; ")[2] for line in report.splitlines() if " at " in line] == [
        "merged",
        "live from 0 to 0.45 of the sampling",
        "live from 0.55 to 1 of the sampling",
    ]
    first, _, _ = our_stack(pack, model, None, [("0", 0.5, 0.0), ("1", 0.8, 0.0)])
    last, _, _ = our_stack(pack, model, None, [("0", 0.5, 0.0), ("2", -0.6, 0.0)])
    limit = model.get_model_object("model_sampling").percent_to_sigma
    sigmas = sigmas_of(model, "simple")[:-1]
    change = sum(bool(sigma >= limit(0.45)) for sigma in sigmas)
    assert change == sum(bool(sigma > limit(0.55)) for sigma in sigmas)
    byhand = stages("sd3", [(first, change), (last, STEPS)], "simple")
    assert apart(sample(live, "sd3", cfg=1.0), byhand) <= TOLERANCE


def test_modes_and_what_they_refuse(pack: Any, lora_folder: Path) -> None:
    model, _ = layouts.load("sd15", torch.float32)
    save_loras(lora_folder, "sd15", model, count=1)
    window = "<lora:0:0.8:start=0.2:stop=0.7>"
    with pytest.raises(
        Exception, match=r"0.safetensors is on from 0\.2 to 0\.7 .*merged.*Choose mode auto or live"
    ):
        windowed(pack, model, window, mode="merged")
    patched, _, _ = windowed(pack, model, window)
    assert patched.patches == {}
    patched, _, report = windowed(pack, model, "<lora:0:0.8>")
    assert patched.patches
    assert "; merged" in report
    same, _, report = windowed(pack, model, "<lora:0:0.8:start=0.5:stop=0.5>")
    assert same is model
    assert "0: never on, start and stop are both 0.5" in report  # as written: it need not be here


def test_the_text_encoders_part_of_a_window_is_applied_throughout(pack: Any, lora_folder: Path) -> None:
    model, clip = layouts.load("sd15", torch.float32)
    lora_files.save(lora_folder / "0.safetensors", kohya_tensors("sd15", model, clip, 0))
    patched, patched_clip, report = windowed(pack, model, "<lora:0:0.8:start=0.2>", clip=clip)
    assert patched.patches == {}
    assert patched_clip.patcher.patches
    assert "the text encoder has no steps, so its part acts throughout" in report


PARAMETER = "diffusion_model.pos_embed"


def test_a_weight_no_layer_applies_is_merged_or_refused(pack: Any, lora_folder: Path) -> None:
    model, _ = layouts.load("sd3", torch.float32)
    positions = model.model.state_dict()[PARAMETER]
    change = torch.randn(positions.shape, generator=torch.Generator().manual_seed(4))
    save_loras(lora_folder, "sd3", model, count=1)
    (lora_folder / "0.safetensors").rename(lora_folder / "layers.safetensors")
    tensors = {**kohya_tensors("sd3", model, None, 0), f"{PARAMETER}.diff": change}
    lora_files.save(lora_folder / "0.safetensors", tensors)
    live, _, report = windowed(pack, model, "<lora:0:0.8>", mode="live")
    assert list(live.patches) == [PARAMETER]
    assert "live, 1 weight that no layer applies merged" in report
    merged, _, _ = windowed(pack, model, "<lora:0:0.8>", mode="merged")
    layers, _, _ = windowed(pack, model, "<lora:layers:0.8>", mode="merged")
    with set_by_hand(model, {PARAMETER: positions + 0.8 * change}):
        byhand = sample(layers, "sd3")
    assert apart(byhand, sample(layers, "sd3")) > 10 * TOLERANCE
    for patched in (live, merged):
        assert apart(sample(patched, "sd3"), byhand) <= TOLERANCE
    with pytest.raises(Exception, match=f"0.safetensors is on from 0 to 0.5 .*{PARAMETER}"):
        windowed(pack, model, "<lora:0:0.8:stop=0.5>")


def test_what_follows_a_live_change_of_weights_is_live_to_keep_its_place(
    pack: Any, lora_folder: Path
) -> None:
    model, _ = layouts.load("sd3", torch.float32)
    save_loras(lora_folder, "sd3", model)
    layer = "diffusion_model.joint_blocks.1.x_block.mlp.fc1"
    blocks = torch.randn(128, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.2
    lora_files.save(lora_folder / "turn.safetensors", {f"{layer}.oft_blocks": blocks})
    text = "<lora:0:0.5>\n<lora:turn:1:start=0:stop=0.999>\n<lora:1:0.8>"
    live, _, report = windowed(pack, model, text)
    assert "live, to keep its place after turn.safetensors" in report
    # No step lies after 0.999, so the window might as well not be there.
    merged, _, _ = windowed(pack, model, text.replace(":start=0:stop=0.999", ""), mode="merged")
    assert apart(sample(live, "sd3"), sample(merged, "sd3")) <= TOLERANCE
