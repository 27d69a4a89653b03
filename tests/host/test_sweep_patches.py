"""Sweeps of models with other nodes' work on them, before the sweep and after it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import comfy.patcher_extension
import comfy.samplers
import nodes
import pytest
import sweeping
import torch
from sweeping import Result, Scene, alone, check, demo, largest_difference, swept
from torch import Tensor

STRENGTHS = (-1.5, 2.0)
AXES = "<lora:add_detail> -1.5, 2"


@pytest.fixture(autouse=True)
def _demo_loras(monkeypatch: pytest.MonkeyPatch) -> None:
    sweeping.use_loras(monkeypatch)


def on(model: Any, module: str, node: str, *inputs: Any) -> Any:
    """A model with one of the host's own nodes on it."""
    return getattr(importlib.import_module(f"comfy_extras.{module}"), node).execute(model, *inputs)[0]


def perp_neg(model: Any) -> Any:
    return on(model, "nodes_perpneg", "PerpNeg", sweeping.prompt("sea"), 1.0)


MIXERS: dict[str, Callable[[Any], Any]] = {
    "Mahiro": lambda model: on(model, "nodes_mahiro", "Mahiro"),
    "Perp-Neg": perp_neg,
    "SkipLayerGuidanceDiT": lambda model: on(
        model, "nodes_slg", "SkipLayerGuidanceDiT", 3.0, 0.0, 1.0, "1", "", 0.7
    ),
    "LazyCache": lambda model: on(model, "nodes_easycache", "LazyCacheNode", 0.3, 0.1, 0.95, False),
}


@pytest.mark.parametrize("name", MIXERS)
def test_what_looks_at_the_whole_batch_gets_a_strength_at_a_time(
    pack: Any, record_property: Any, name: str
) -> None:
    model = MIXERS[name](demo()[0])
    scene = Scene(cfg=4.0, steps=8)
    ours = swept(pack, model, AXES, scene)
    theirs = [alone(model, [("add_detail", s, s)], scene) for s in STRENGTHS]
    check(ours, theirs, record_property)
    assert ours.passes.strengths == (1, 1)
    assert name.removesuffix("DiT") in ours.passes.describe()
    plain = alone(demo()[0], [("add_detail", 2, 2)], scene)
    assert largest_difference(theirs[1], plain) > 0.01, "it does nothing here"


APART: dict[str, Callable[[Any], Any]] = {
    "RescaleCFG": lambda model: (
        importlib.import_module("comfy_extras.nodes_model_advanced").RescaleCFG().patch(model, 0.7)[0]
    ),
    "APG": lambda model: on(model, "nodes_apg", "APG", 1.0, 5.0, 0.5),
    "a shift": lambda model: (
        importlib.import_module("comfy_extras.nodes_model_advanced").ModelSamplingSD3().patch(model, 6.0)[0]
    ),
}


@pytest.mark.parametrize("name", APART)
@pytest.mark.parametrize("is_before", [True, False], ids=["before", "after"])
def test_what_treats_each_picture_alone_stays_in_one_pass(
    pack: Any, record_property: Any, name: str, is_before: bool
) -> None:
    put = APART[name]
    scene = Scene(cfg=4.0, steps=6)
    ours = swept_between(pack, demo()[0], AXES, scene, put, is_before)
    check(ours, [alone(put(demo()[0]), [("add_detail", s, s)], scene) for s in STRENGTHS], record_property)
    assert ours.passes.strengths == (2,)


@torch.inference_mode()
def swept_between(
    pack: Any, model: Any, axes: str, scene: Scene, put: Callable[[Any], Any], is_before: bool
) -> Result:
    """A sweep with another node before or after ours."""
    model = put(model) if is_before else model
    prepare = pack.NODE_CLASS_MAPPINGS["LoraRackSweep"]().prepare
    model, _, latent, sweep = prepare(model, scene.latent(), axes)
    model = model if is_before else put(model)
    samples = scene.sample(model, sweeping.prompt(scene.text), sweeping.prompt(""), latent)
    return Result(samples, sweep.passes, scene.latents)


class _Levelling(comfy.samplers.CFGGuider):
    """A guider as another pack might have it: it takes the batch's mean away."""

    def predict_noise(self, *args: Any, **kwargs: Any) -> Tensor:
        denoised = super().predict_noise(*args, **kwargs)
        return denoised - 0.5 * denoised.mean()


def guided(guider: type[comfy.samplers.CFGGuider], model: Any, latent: dict[str, Any]) -> Tensor:
    """Four steps by the host's advanced sampler node."""
    extras = importlib.import_module("comfy_extras.nodes_custom_sampler")
    made = guider(model)
    made.set_conds(sweeping.prompt("day lake"), sweeping.prompt(""))
    made.set_cfg(3.0)
    (sigmas,) = extras.BasicScheduler.execute(model, "simple", 4, 1.0)
    (noise,), sampler = extras.RandomNoise.execute(7), comfy.samplers.sampler_object("dpmpp_sde")
    return extras.SamplerCustomAdvanced.execute(noise, made, sampler, sigmas, latent)[0]["samples"]


@pytest.mark.parametrize(("guider", "passes"), [(comfy.samplers.CFGGuider, (2,)), (_Levelling, (1, 1))])
def test_guiders_of_other_packs_get_a_strength_at_a_time(
    pack: Any, record_property: Any, guider: type[comfy.samplers.CFGGuider], passes: tuple[int, ...]
) -> None:
    plain, scene = demo()[0], Scene(latents=2)
    with torch.inference_mode():
        prepare = pack.NODE_CLASS_MAPPINGS["LoraRackSweep"]().prepare
        model, _, latent, wire = prepare(plain, scene.latent(), AXES)
        ours = Result(guided(guider, model, latent), wire.passes, 2)
        load = nodes.LoraLoaderModelOnly().load_lora_model_only
        models = [load(plain, "add_detail.safetensors", strength)[0] for strength in STRENGTHS]
        check(ours, [guided(guider, model, scene.latent()) for model in models], record_property)
    assert wire.passes.strengths == passes, wire.passes.describe()


def test_a_wrapper_of_the_whole_sampling_sees_each_part_as_one(
    pack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[int] = []

    def note(executor: Any, noise: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        rows.append(noise.shape[0])
        return executor(noise, *args, **kwargs)

    model = demo()[0].clone()
    model.add_wrapper_with_key(comfy.patcher_extension.WrappersMP.OUTER_SAMPLE, "note", note)
    swept(pack, model, AXES, Scene("dpm_adaptive"))
    assert rows == [1, 1]


def test_a_prompt_without_a_text_encoder_is_refused(pack: Any) -> None:
    ours = pack.NODE_CLASS_MAPPINGS
    _, clip, _, sweep = ours["LoraRackSweep"]().prepare(demo()[0], Scene().latent(), AXES)
    with pytest.raises(pack.lora_core.errors.SweepMismatch, match="Connect CLIP to LoRA Strength Sweep"):
        ours["LoraRackSweepEncode"]().encode(clip, sweep, "lake")


def test_a_prompt_of_another_sweep_is_refused(pack: Any) -> None:
    ours = pack.NODE_CLASS_MAPPINGS
    model, clip = demo()[0], sweeping.demo_clip()
    latent = Scene().latent()
    _, other_clip, _, other = ours["LoraRackSweep"]().prepare(
        model, latent, "<lora:add_detail> 0, 1, 2", clip
    )
    model, _, latent, _ = ours["LoraRackSweep"]().prepare(model, latent, "<lora:add_detail> 0, 1", clip)
    (prompt,) = ours["LoraRackSweepEncode"]().encode(other_clip, other, "lake")
    found = (
        r"encoded for a sweep of add_detail at 0, \+1, \+2, "
        r"but this sweep is of add_detail at 0, \+1\. Connect"
    )
    with pytest.raises(pack.lora_core.errors.SweepMismatch, match=found):
        Scene().sample(model, prompt, sweeping.prompt(""), latent)
