"""Sweeps of weights no layer applies: written into the weights, a strength after another.

Here the last layer of every MLP of the demo model is held to be one, as the mask of Wan's speech model is.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lora_files
import nodes
import pytest
import sweeping
import torch
from lora_files import Numbers
from sweeping import Result, Scene, alone, check, demo, largest_difference

LAYER = "diffusion_model.joint_blocks.1.x_block.mlp.fc2"
SCENE = Scene(steps=6)


@pytest.fixture(autouse=True)
def _files(pack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's LoRAs, "x" for what cannot be live, and "y" for what can."""
    modules = importlib.import_module(f"{pack.__name__}.nodes.host.live_modules")
    monkeypatch.setattr(modules, "_READ_ELSEWHERE", frozenset({"fc2"}))
    sweeping.use_loras(monkeypatch, tmp_path, sweeping.MODELS / "loras")
    number = Numbers(1)
    for name, layer in (("x", LAYER), ("y", "diffusion_model.joint_blocks.0.x_block.attn.proj")):
        high, wide = demo()[0].model.get_submodule(layer).weight.shape
        factors = {f"{layer}.lora_up.weight": number(high, 4), f"{layer}.lora_down.weight": number(4, wide)}
        lora_files.save(tmp_path / f"{name}.safetensors", factors)


@torch.inference_mode()
def swept(pack: Any, model: Any, axes: str, between: Callable[[Any], Any] | None = None) -> Result:
    """Our sweep, then another node, then the host's sampler."""
    prepare = pack.NODE_CLASS_MAPPINGS["LoraRackSweep"]().prepare
    model, _, latent, wire = prepare(model, SCENE.latent(), axes)
    model = between(model) if between else model
    samples = SCENE.sample(model, sweeping.prompt(SCENE.text), sweeping.prompt(""), latent)
    assert f"{LAYER}.weight can only be changed by writing the weights" in wire.passes.describe()
    assert wire.passes.strengths == (1,) * len(samples)
    return Result(samples, wire.passes, 1)


def with_lora(model: Any) -> Any:
    (model,) = nodes.LoraLoaderModelOnly().load_lora_model_only(model, "add_detail.safetensors", 1.5)
    return model


def shifted(model: Any) -> Any:
    extras = importlib.import_module("comfy_extras.nodes_model_advanced")
    return extras.ModelSamplingSD3().patch(model, 6.0)[0]


@pytest.mark.parametrize("is_before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("put", [with_lora, shifted])
def test_what_other_nodes_did_is_kept(
    pack: Any, record_property: Any, put: Callable[[Any], Any], is_before: bool
) -> None:
    model, _ = demo()
    axes = "<lora:x> -0.5, 1"
    ours = swept(pack, put(model), axes) if is_before else swept(pack, model, axes, put)
    theirs = [alone(put(model), [("x", strength, 0)], SCENE) for strength in (-0.5, 1)]
    check(ours, theirs, record_property)
    plain = alone(model, [("x", 1, 0)], SCENE)
    assert largest_difference(theirs[1], plain) > 0.02, "the other node does nothing"


@pytest.mark.parametrize("is_first", [True, False], ids=["first", "second"])
def test_a_window_on_the_other_axis_is_live(pack: Any, record_property: Any, is_first: bool) -> None:
    """By LoraRackApply, which test_live_windows.py holds to stages sampled by hand."""
    tag = "<lora:y:{}:start=0.2:stop=0.7>"
    lines = [f"{tag.format(1)} -1, 1", "<lora:x> 0.5"]
    model, _ = demo()
    ours = swept(pack, model, "\n".join(lines if is_first else reversed(lines)))
    apply = pack.NODE_CLASS_MAPPINGS["LoraRackApply"]().apply
    theirs = []
    for strength in (-1, 1):
        text = f"{tag.format(strength)}\n<lora:x:0.5>"
        stack, _ = pack.NODE_CLASS_MAPPINGS["LoraRackStack"]().build(text)
        theirs.append(alone(apply(model, stack, "error")["result"][0], [], SCENE))
    check(ours, theirs, record_property, 0.005)


def test_a_window_that_cannot_be_is_refused_before_anything_is_sampled(pack: Any) -> None:
    node = pack.NODE_CLASS_MAPPINGS["LoraRackSweep"]()
    with pytest.raises(pack.lora_core.errors.NotLive, match=r"x.safetensors is on from 0 to 0.5 .*fc2"):
        node.prepare(demo()[0], SCENE.latent(), "<lora:x:stop=0.5> 0, 1")
