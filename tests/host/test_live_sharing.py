"""One loaded model under many patchers: live stacks act where they are meant to, and leave nothing behind."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import comfy.hooks
import comfy.model_management
import comfy.patcher_extension
import comfy.utils
import layouts
import lora_files
import nodes
import pytest
import torch
from patching import host_chain, our_stack
from sampling import apart, conditioning, sample
from test_live import TOLERANCE, live_rows, own_weights, save_loras
from torch import Tensor

LAYER = "diffusion_model.joint_blocks.1.x_block.mlp.fc1"
FIRST, SECOND = ("0", 0.8, 0.0), ("1", -0.5, 0.0)
EFFECT = 0.02


@pytest.fixture
def model(lora_folder: Path) -> Iterator[Any]:
    """The shared model; at the end it has its own weights, and no module a forward but its class's."""
    patcher, _ = layouts.load("sd3", torch.float32)
    save_loras(lora_folder, "sd3", patcher)
    before = own_weights(patcher)
    yield patcher
    comfy.model_management.unload_all_models()
    assert all(torch.equal(value, before[key]) for key, value in patcher.model.state_dict().items())
    assert not [name for name, module in patcher.model.named_modules() if "forward" in module.__dict__]


def live(pack: Any, model: Any, *rows: tuple[str, float, float]) -> Any:
    return our_stack(pack, model, None, rows, mode="live")[0]


def merged(pack: Any, model: Any, *rows: tuple[str, float, float]) -> Any:
    return our_stack(pack, model, None, rows, mode="merged")[0]


def draw(model: Any, **options: Any) -> Tensor:
    return sample(model, "sd3", steps=2, **options)


def test_branches_of_one_graph_do_not_mix(pack: Any, model: Any) -> None:
    wanted = [draw(m) for m in (model, merged(pack, model, FIRST), merged(pack, model, SECOND))]
    branches = [model, live(pack, model, FIRST), live(pack, model, SECOND)]
    for branch in (1, 0, 2, 1, 1, 0, 0, 2):
        assert apart(draw(branches[branch]), wanted[branch]) <= TOLERANCE
    comfy.model_management.unload_all_models()
    for branch in (2, 0, 1):
        assert apart(draw(branches[branch]), wanted[branch]) <= TOLERANCE


def test_stacks_upon_stacks_and_the_hosts_loader_before_and_after(pack: Any, model: Any) -> None:
    wanted = draw(host_chain(model, None, [("0.safetensors", 0.8, 0), ("1.safetensors", -0.5, 0)] * 2)[0])
    loader = nodes.LoraLoaderModelOnly()
    patched = live(pack, model, FIRST)
    draw(patched)  # from here on the clones of a model with live layers on it
    (patched,) = loader.load_lora_model_only(patched, "1.safetensors", -0.5)
    draw(patched)
    patched = live(pack, patched, FIRST)
    draw(patched)
    (patched,) = loader.load_lora_model_only(patched, "1.safetensors", -0.5)
    assert apart(draw(patched), wanted) <= TOLERANCE
    before, _ = host_chain(model, None, [("0.safetensors", 0.8, 0), ("1.safetensors", -0.5, 0)])
    assert apart(draw(live(pack, before, FIRST, SECOND)), wanted) <= TOLERANCE
    draw(model)


def test_a_change_of_weights_upon_a_live_stack_meets_what_that_one_did(
    pack: Any, model: Any, lora_folder: Path
) -> None:
    blocks = torch.randn(128, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.2
    lora_files.save(lora_folder / "turn.safetensors", {f"{LAYER}.oft_blocks": blocks})
    turn = ("turn", 0.7, 0.0)
    wanted = draw(merged(pack, model, FIRST, turn, SECOND))
    upon = live(pack, live(pack, live(pack, model, FIRST), turn), SECOND)
    assert apart(draw(upon), wanted) <= TOLERANCE
    assert apart(wanted, draw(merged(pack, model, turn, FIRST, SECOND))) > TOLERANCE


class _Doubling:
    """Another pack's injection, which saves a module's forward and puts it back, as many do."""

    def __init__(self, key: str) -> None:
        self.key = key

    def inject(self, patcher: Any) -> None:
        module = patcher.model.get_submodule(self.key)
        self.saved = module.forward
        module.forward = lambda *args: self.saved(*args) * 2

    def eject(self, patcher: Any) -> None:
        patcher.model.get_submodule(self.key).forward = self.saved


def _doubled(model: Any) -> Any:
    clone, doubling = model.clone(), _Doubling(LAYER)
    injection = comfy.patcher_extension.PatcherInjection(doubling.inject, doubling.eject)
    clone.set_injections("doubling", [injection])
    return clone


@pytest.mark.parametrize("kind", ["LoRA", "OFT"])
def test_another_packs_forward_is_respected(pack: Any, model: Any, lora_folder: Path, kind: str) -> None:
    row = FIRST
    if kind == "OFT":
        blocks = torch.randn(128, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.2
        lora_files.save(lora_folder / "turn.safetensors", {f"{LAYER}.oft_blocks": blocks})
        row = ("turn", 0.7, 0.0)
    wanted = draw(_doubled(merged(pack, model, row)))
    plain = draw(model)
    theirs_outside = _doubled(live(pack, model, row))
    for _ in range(2):
        assert apart(draw(theirs_outside), wanted) <= TOLERANCE
        assert torch.equal(draw(model), plain)
    comfy.model_management.unload_all_models()
    # The pack itself leaves a bound method where the class's was.
    model.model.get_submodule(LAYER).__dict__.pop("forward", None)
    ours_outside = live(pack, _doubled(model), row)
    for _ in range(2):
        assert apart(draw(ours_outside), wanted) <= TOLERANCE
        assert torch.equal(draw(model), plain)
    comfy.model_management.unload_all_models()
    model.model.get_submodule(LAYER).__dict__.pop("forward", None)


@pytest.mark.parametrize(
    "error", [comfy.model_management.InterruptProcessingException, torch.OutOfMemoryError, ValueError]
)
def test_a_sampling_that_ends_in_an_error_leaves_nothing(
    pack: Any, model: Any, error: type[BaseException]
) -> None:
    plain, wanted = draw(model), draw(merged(pack, model, FIRST))
    patched = live(pack, model, FIRST)

    def stop(step: int, *_: Any) -> None:
        raise error

    for _ in range(2):
        with pytest.raises(error):
            draw(patched, callback=stop)
        assert torch.equal(draw(model), plain)
        assert apart(draw(patched), wanted) <= TOLERANCE
    assert not importlib.import_module(f"{pack.__name__}.lora_core.live.dispatch")._PUBLISHED.get()


def test_an_error_inside_a_layer_leaves_nothing(pack: Any, model: Any) -> None:
    plain = draw(model)
    patched = live(pack, model, FIRST)
    module = model.model.get_submodule("diffusion_model.final_layer")
    handle = module.register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError()))
    try:
        with pytest.raises(torch.OutOfMemoryError):
            draw(patched)
    finally:
        handle.remove()
    assert not importlib.import_module(f"{pack.__name__}.lora_core.live.dispatch")._PUBLISHED.get()
    assert torch.equal(draw(model), plain)


def test_a_clone_thrown_away_while_another_samples(pack: Any, model: Any) -> None:
    wanted = draw(merged(pack, model, FIRST))
    patched = live(pack, model, FIRST)
    draw(patched)
    clones = [patched.clone()]  # which believes it is injected
    assert clones[0].is_injected

    def throw_away(*_: Any) -> None:
        clones.clear()
        gc.collect()

    assert apart(draw(patched, callback=throw_away), wanted) <= TOLERANCE


def test_batches_of_another_size_are_refused(pack: Any, model: Any) -> None:
    patched = live_rows(pack, model, "0", torch.tensor([[0.0, 1.0, 0.5]]))
    with_rows = importlib.import_module(f"{pack.__name__}.nodes.host.live").with_rows
    with pytest.raises(Exception, match="batches of 4 where strengths are given for 3") as raised:
        draw(patched, rows=2)
    assert type(raised.value).__name__ == "NotSweepable"
    whole = draw(patched, rows=3)
    patched.model_options = with_rows(patched.model_options, [2, 0])
    parts = draw(patched, rows=2)
    assert apart(parts, whole[[2, 0]]) <= TOLERANCE


def test_a_live_model_that_the_garbage_collector_finds_takes_its_layers_off(pack: Any, model: Any) -> None:
    """As after an error in a prompt: its traceback holds the patcher, and stands in a circle itself."""
    patched = live(pack, model, FIRST)
    comfy.model_management.load_models_gpu([patched])
    assert any("forward" in module.__dict__ for module in model.model.modules())
    circle: list[Any] = [patched]
    circle.append(circle)
    del patched, circle
    gc.collect()
    assert not any("forward" in module.__dict__ for module in model.model.modules())


def _hooked(layout_seed: int, file: Path, strength: float) -> list[Any]:
    """A conditioning with a LoRA of the host's hooks on it."""
    hooks = comfy.hooks.create_hook_lora(comfy.utils.load_torch_file(str(file)), strength, 0.0)
    conds = conditioning("sd3", layout_seed)
    return [[tensor, {**extra, "hooks": hooks}] for tensor, extra in conds]


@pytest.mark.parametrize("mode", ["merged", "live"])
@pytest.mark.parametrize("cfg", [1.0, 4.0])
def test_stacks_under_the_hosts_conditioning_hooks(
    pack: Any, model: Any, lora_folder: Path, mode: str, cfg: float
) -> None:
    """Hook patches on the same keys. The oracle is the host's loader under the same hooks."""
    ours, _, _ = our_stack(pack, model, None, [FIRST, SECOND], mode=mode)
    theirs, _ = host_chain(model, None, [("0.safetensors", 0.8, 0), ("1.safetensors", -0.5, 0)])
    positive = _hooked(2, lora_folder / "1.safetensors", 0.9)
    wanted = draw(theirs, cfg=cfg, positive=positive)
    for _ in range(2):
        assert apart(draw(ours, cfg=cfg, positive=positive), wanted) <= TOLERANCE
        assert apart(draw(ours, cfg=cfg), draw(theirs, cfg=cfg)) <= TOLERANCE
    assert apart(wanted, draw(theirs, cfg=cfg)) > EFFECT
