"""Sweeps of every kind of adapter, of weighted blocks and windows, and under a ControlNet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.cldm.mmdit
import comfy.controlnet
import comfy.latent_formats
import comfy.ops
import layouts
import lora_files
import nodes
import pytest
import sweeping
import torch
from comfy.cldm.cldm import ControlNet
from lora_files import Numbers
from patching import host_chain
from sampling import apart, conditioning, noise, sample
from sweeping import Scene, alone, check, demo, swept
from test_live import EFFECT, TOLERANCE, save_loras
from torch import Tensor

WIDTH, RANK = 192, 4
LAYERS = [f"lora_unet_joint_blocks_{block}_x_block_attn_proj" for block in range(3)]
N = Numbers()
AXES = "<lora:x> -0.5, 1"
STRENGTHS = (-0.5, 1.0)


def _pair(layer: str) -> dict[str, Tensor]:
    return {f"{layer}.lora_up.weight": N(WIDTH, RANK), f"{layer}.lora_down.weight": N(RANK, WIDTH)}


def _loha(layer: str) -> dict[str, Tensor]:
    sides = (("a", (WIDTH, RANK)), ("b", (RANK, WIDTH)))
    return {f"{layer}.hada_w{i}_{side}": N(*size) for i in "12" for side, size in sides}


def _lokr(layer: str) -> dict[str, Tensor]:
    return {f"{layer}.lokr_w1": N(12, 12), f"{layer}.lokr_w2": N(16, 16)}


def _glora(layer: str) -> dict[str, Tensor]:
    shapes = {"a1": (WIDTH, RANK), "a2": (RANK, WIDTH), "b1": (WIDTH, RANK), "b2": (RANK, WIDTH)}
    return {f"{layer}.{name}.weight": N(*shape) for name, shape in shapes.items()}


def _full(layer: str) -> dict[str, Tensor]:
    return {f"{layer}.diff": N(WIDTH, WIDTH), f"{layer}.diff_b": N(WIDTH)}


def _set(layer: str) -> dict[str, Tensor]:
    return {f"{layer}.set_weight": N(WIDTH, WIDTH)}


def _dora(layer: str) -> dict[str, Tensor]:
    return {**_pair(layer), f"{layer}.dora_scale": N(1, WIDTH).abs()}


def _oft(layer: str) -> dict[str, Tensor]:
    return {f"{layer}.oft_blocks": N(WIDTH // 8, 8, 8)}


# What agrees with the host at every strength, and what docs/adapters.md says it does not.
AGREEING = {"LoRA": _pair, "LoHa": _loha, "LoKr": _lokr, "GLoRA": _glora, "full": _full}
DIVERGING = {"DoRA": _dora, "OFT": _oft, "set weight": _set}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    sweeping.use_loras(monkeypatch, tmp_path, sweeping.MODELS / "loras")
    return tmp_path


def save(folder: Path, kind: Any) -> None:
    tensors = {key: value for layer in LAYERS for key, value in kind(layer).items()}
    lora_files.save(folder / "x.safetensors", tensors)


def merged(pack: Any, text: str, scene: Scene) -> Tensor:
    """Our own merged weights, which test_equality.py and others hold to the host's."""
    stack, _ = pack.NODE_CLASS_MAPPINGS["LoraRackStack"]().build(text)
    model, _, _ = pack.NODE_CLASS_MAPPINGS["LoraRackApply"]().apply(demo()[0], stack, "error")["result"][:3]
    return alone(model, [], scene)


@pytest.mark.parametrize("kind", AGREEING)
def test_every_kind_is_the_hosts(pack: Any, folder: Path, record_property: Any, kind: str) -> None:
    save(folder, AGREEING[kind])
    model, _ = demo()
    scene = Scene("euler_ancestral", cfg=3.0)
    ours = swept(pack, model, AXES, scene)
    check(ours, [alone(model, [("x", s, s)], scene) for s in STRENGTHS], record_property)


@pytest.mark.parametrize("kind", DIVERGING)
def test_kinds_with_formulas_of_their_own_are_the_merged_ones(
    pack: Any, folder: Path, record_property: Any, kind: str
) -> None:
    save(folder, DIVERGING[kind])
    scene = Scene("euler_ancestral", cfg=3.0)
    ours = swept(pack, demo()[0], "<lora:x> 0, 0.25, 1", scene)
    check(ours, [merged(pack, f"<lora:x:{s}>", scene) for s in (0, 0.25, 1)], record_property)


TAGS = {
    "one block": "<lora:add_detail:{}:lbw=J*=0 J01=1>",
    "a window": "<lora:add_detail:{}:start=0.2:stop=0.7>",
}


@pytest.mark.parametrize("name", ["one block", "a window"])
def test_blocks_and_windows_of_the_swept_entry(
    pack: Any, folder: Path, record_property: Any, name: str
) -> None:
    scene = Scene("dpmpp_2m", steps=6)
    tag = TAGS[name]
    ours = swept(pack, demo()[0], f"{tag.format(1)} -3, 3", scene)
    check(ours, [merged(pack, tag.format(s), scene) for s in (-3, 3)], record_property, 0.005)


def test_an_order_that_matters_is_kept(pack: Any, folder: Path, record_property: Any) -> None:
    """DoRA takes the weight it meets: with the stack below already on it."""
    save(folder, _dora)
    scene = Scene()
    stack, _ = pack.NODE_CLASS_MAPPINGS["LoraRackStack"]().build("<lora:add_detail:2>")
    ours = swept(pack, demo()[0], "<lora:x> 0.5, 1", scene, stack=stack)
    theirs = [merged(pack, f"<lora:add_detail:2>\n<lora:x:{s}>", scene) for s in (0.5, 1)]
    check(ours, theirs, record_property)


def controlled(count: int) -> Any:
    """A ControlNet of random weights for the demo model, with `count` control pictures."""
    model, vae = demo()
    state = {k: v.float() for k, v in model.model.diffusion_model.state_dict().items()}
    state["controlnet_blocks.0.weight"] = N(WIDTH, WIDTH, size=0.05).float()
    state["controlnet_blocks.0.bias"] = N(WIDTH).float()
    state["pos_embed_input.proj.weight"] = N(WIDTH, 16, 2, 2).float()
    state["pos_embed_input.proj.bias"] = N(WIDTH).float()
    config = {**model.model.model_config.unet_config, "dtype": torch.float32, "device": "cpu"}
    network = comfy.cldm.mmdit.ControlNet(
        num_blocks=1, control_latent_channels=16, operations=comfy.ops.disable_weight_init, **config
    )
    network.load_state_dict(state, strict=False)
    latents = comfy.latent_formats.SD3()
    net = comfy.controlnet.ControlNet(
        network, compression_ratio=1, latent_format=latents, load_device=torch.device("cpu")
    )
    pictures = torch.rand(count, 64, 64, 3, generator=torch.Generator().manual_seed(4))

    def change(conditioning: Any) -> Any:
        apply = nodes.ControlNetApplyAdvanced().apply_controlnet
        return apply(conditioning, conditioning, net, pictures, 0.8, 0.0, 1.0, vae=vae)[0]

    return change


@pytest.mark.parametrize(("latents", "count", "passes"), [(1, 1, 1), (2, 2, 1), (2, 3, 2)])
def test_a_controlnet(
    pack: Any, folder: Path, record_property: Any, latents: int, count: int, passes: int
) -> None:
    model, _ = demo()
    scene = Scene(cfg=3.0, latents=latents, change=controlled(count))
    ours = swept(pack, model, "<lora:add_detail> -1.5, 2", scene)
    theirs = [alone(model, [("add_detail", s, s)], scene) for s in (-1.5, 2)]
    check(ours, theirs, record_property)
    assert len(ours.passes.strengths) == passes, ours.passes.describe()
    plain = alone(model, [("add_detail", 2, 2)], Scene(cfg=3.0, latents=latents))
    assert sweeping.largest_difference(theirs[1], plain) > 0.02, "the ControlNet does nothing"


def test_a_control_lora_sees_the_weights_of_each_strength(pack: Any, lora_folder: Path) -> None:
    """It takes the model's weights for its own, so the host's loader changes them too."""
    model, _ = layouts.load("sd15", torch.float32)
    save_loras(lora_folder, "sd15", model, 1)
    config = {name: value for name, value in layouts._SD15.items() if name != "out_channels"}
    network = ControlNet(hint_channels=3, **config, **layouts.OPERATIONS)
    own = network.state_dict().keys() - model.model.diffusion_model.state_dict().keys()
    weights = {key: N(*network.state_dict()[key].shape, size=0.02).float() for key in sorted(own)}
    net = comfy.controlnet.ControlLora(weights)
    net.set_cond_hint(torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(4)), 1.0)
    positive = conditioning("sd15", 2, control=net, control_apply_to_uncond=True)

    def sampled(model: Any, rows: int = 1) -> Tensor:
        return sample(model, "sd15", rows=rows, steps=2, positive=positive)

    prepare = pack.NODE_CLASS_MAPPINGS["LoraRackSweep"]().prepare
    swept_model, _, _, wire = prepare(model, {"samples": noise("sd15")}, "<lora:0> -1, 1")
    ours = sampled(swept_model, 2).split(1)
    theirs = [sampled(host_chain(model, None, [("0.safetensors", s, 0)])[0]) for s in (-1, 1)]
    assert max(apart(a, b) for a, b in zip(ours, theirs, strict=True)) <= TOLERANCE
    assert wire.passes.strengths == (1, 1)
    assert "a Control-LoRA uses the model's weights" in wire.passes.describe()
    assert apart(theirs[0], theirs[1]) > EFFECT
    assert (
        apart(theirs[0], sample(host_chain(model, None, [("0.safetensors", -1, 0)])[0], "sd15", steps=2))
        > EFFECT
    )
