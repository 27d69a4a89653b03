"""Stacks on the host's dynamic patcher, where the host has one, behind a stand-in for its memory library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.utils
import dynamic_memory
import layouts
import lora_files
import pytest
import small_wan
import torch
from lora_files import Numbers
from patching import host_chain, our_stack
from sampling import apart, sample
from test_live import EFFECT, TOLERANCE, save_loras
from torch import Tensor

ROWS = [("0", 0.8, 0.0), ("1", -0.5, 0.0)]
NORM = "diffusion_model.blocks.0.norm3"


@pytest.fixture
def memory() -> Iterator[Any]:
    with dynamic_memory.stand_in() as seen:
        yield seen


@pytest.fixture
def model(memory: Any, lora_folder: Path) -> Iterator[Any]:
    """A dynamic patcher of a small SD3, and two LoRAs for it."""
    static, _ = layouts.load("sd3", torch.float32)
    save_loras(lora_folder, "sd3", static, 2)
    with dynamic_memory.dynamic(static) as patcher:
        yield patcher


def draw(model: Any, rows: int = 1) -> Tensor:
    return sample(model, "sd3", rows, steps=2)


@contextmanager
def uncastable(model: Any, dtype: torch.dtype) -> Iterator[Tensor]:
    """One norm of the model as torch's own class, of which the host knows nothing; its weight."""
    comfy.model_management.unload_all_models()
    block = model.model.get_submodule(NORM.rpartition(".")[0])
    held = block.norm3
    block.norm3 = torch.nn.LayerNorm(small_wan.WIDTH, dtype=dtype)
    block.norm3.requires_grad_(False).weight.copy_(held.weight)
    try:
        yield block.norm3.weight.clone()
    finally:
        block.norm3 = held


@pytest.mark.parametrize("has_room", [True, False])
@pytest.mark.parametrize("mode", ["merged", "live"])
def test_a_stack_is_the_hosts_chain(pack: Any, model: Any, memory: Any, mode: str, has_room: bool) -> None:
    memory.has_room = has_room
    theirs, _ = host_chain(model, None, [(f"{name}.safetensors", m, c) for name, m, c in ROWS])
    plain, wanted = draw(model), draw(theirs)
    ours, _, _ = our_stack(pack, model, None, ROWS, mode=mode)
    for _ in range(2):
        assert apart(draw(ours), wanted) <= TOLERANCE
        assert torch.equal(draw(model), plain)
    assert apart(wanted, plain) > EFFECT
    assert memory.faults
    assert memory.still_borrowed == 0


def test_by_weight_live_gives_back_what_it_borrows(
    pack: Any, model: Any, memory: Any, lora_folder: Path
) -> None:
    """An OFT is no term of the forward: the weight itself is brought over for it."""
    blocks = torch.randn(128, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.2
    layer = "diffusion_model.joint_blocks.0.x_block.mlp.fc1"
    lora_files.save(lora_folder / "turn.safetensors", {f"{layer}.oft_blocks": blocks})
    row = [("turn", 0.7, 0.0)]
    wanted = draw(our_stack(pack, model, None, row, mode="merged")[0])
    assert apart(draw(our_stack(pack, model, None, row, mode="live")[0]), wanted) <= TOLERANCE
    assert apart(draw(model), wanted) > EFFECT
    assert memory.still_borrowed == 0


def test_clones_take_turns(pack: Any, model: Any) -> None:
    one, _, _ = our_stack(pack, model, None, ROWS[:1])
    both, _, _ = our_stack(pack, one, None, ROWS[1:])
    live, _, _ = our_stack(pack, one, None, ROWS[1:], mode="live")
    wanted = {patcher: draw(patcher) for patcher in (model, one, both, live)}
    assert apart(wanted[live], wanted[both]) <= TOLERANCE
    for patcher in (both, model, live, one, live, both):
        assert apart(draw(patcher), wanted[patcher]) <= TOLERANCE


def test_a_sweep_is_each_strength_alone(pack: Any, model: Any, memory: Any) -> None:
    prepare = pack.NODE_CLASS_MAPPINGS["LoraRackSweep"]().prepare
    latent = {"samples": torch.zeros(1, 16, 8, 8)}
    swept, _, _, wire = prepare(model, latent, "<lora:0> -1, 0.5, 1")
    rows = draw(swept, 3)
    assert wire.passes.strengths == (3,), wire.passes.describe()
    for row, strength in zip(rows, (-1, 0.5, 1), strict=True):
        alone, _ = host_chain(model, None, [("0.safetensors", strength, 0)])
        assert apart(row[None], draw(alone)) <= TOLERANCE
    assert memory.still_borrowed == 0


def test_the_whole_memory_is_there_for_a_sweep(
    pack: Any, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host itself would rather batch than keep a dynamic model's weights."""
    monkeypatch.setattr(model, "get_free_memory", lambda device: 10_000.0)
    limits = pack.nodes.host.sweeping.limits
    assert limits._room(model, 1.0) == 10_000
    assert model.model_size() > 10_000


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_layer_that_cannot_cast_is_written_and_put_back(
    pack: Any, memory: Any, lora_folder: Path, dtype: torch.dtype
) -> None:
    """The host keeps a backup of such a weight, moves it, and leaves its patches out."""
    static = small_wan.load()
    change = Numbers(1)(small_wan.WIDTH, size=0.5)
    lora_files.save(lora_folder / "norm.safetensors", {f"{NORM}.diff": change})
    with uncastable(static, dtype) as weight:
        with dynamic_memory.dynamic(static) as patcher:
            take_turns(pack, patcher, weight, change)
        assert torch.equal(comfy.utils.get_attr(static.model, f"{NORM}.weight"), weight)


def take_turns(pack: Any, patcher: Any, weight: Tensor, change: Tensor) -> None:
    ours, _, _ = our_stack(pack, patcher, None, [("norm", 0.8, 0.0)])
    meant = weight.float() + 0.8 * change.float()
    for turn in (ours, patcher, ours, ours.clone(), patcher):
        comfy.model_management.load_models_gpu([turn])
        now = comfy.utils.get_attr(patcher.model, f"{NORM}.weight")
        wanted = weight.float() if turn is patcher else meant
        assert now.dtype == weight.dtype
        torch.testing.assert_close(now.float(), wanted, rtol=0, atol=torch.finfo(weight.dtype).eps * 4)
    comfy.model_management.load_models_gpu([ours])
