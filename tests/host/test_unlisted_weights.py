"""Weights the host takes patches for and leaves as they are: written, once, and put back bit for bit."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import comfy.hooks
import comfy.model_management
import comfy.utils
import comfy.weight_adapter
import layouts
import lora_files
import nodes
import pytest
import small_wan
import torch
from comfy.model_patcher import ModelPatcher
from lora_files import Numbers
from patching import our_stack, set_by_hand
from safetensors.torch import load_file
from sampling import apart, sample
from test_mixed_files import _ShiftAdapter
from torch import Tensor

MODULATION = "diffusion_model.blocks.1.modulation"
HEAD = "diffusion_model.head.modulation"
LINEAR = "diffusion_model.blocks.0.ffn.0"
POSITIONS = "diffusion_model.pos_embed"  # of SD3: a buffer
EFFECT = 0.02


def weight(model: Any, key: str) -> Tensor:
    found: Tensor = comfy.utils.get_attr(model.model, key)
    return found.detach().clone()


def own(model: Any) -> dict[str, Tensor]:
    comfy.model_management.unload_all_models()
    return {key: value.clone() for key, value in model.model.state_dict().items()}


def is_as_before(model: Any, before: Mapping[str, Tensor]) -> bool:
    state = model.model.state_dict()
    return state.keys() == before.keys() and all(torch.equal(state[key], before[key]) for key in before)


def load(*patchers: Any, is_full: bool = True) -> None:
    comfy.model_management.load_models_gpu(list(patchers), force_full_load=is_full)


def save_wan(folder: Path, name: str, seed: int) -> dict[str, Tensor]:
    """A LoRA of two modulations and a linear layer; its tensors."""
    number = Numbers(seed)
    tensors = {
        f"{MODULATION}.diff": number(1, 6, small_wan.WIDTH, size=1.0),
        f"{HEAD}.diff": number(1, 2, small_wan.WIDTH, size=1.0),
        f"{LINEAR}.lora_up.weight": number(512, 4),
        f"{LINEAR}.lora_down.weight": number(4, small_wan.WIDTH),
    }
    lora_files.save(folder / f"{name}.safetensors", tensors)
    return tensors


def meant_weights(model: Any, tensors: Mapping[str, Tensor], strength: float) -> dict[str, Tensor]:
    """The weights a file of `save_wan` changes, by the formulas."""
    up, down = (tensors[f"{LINEAR}.lora_{side}.weight"].float() for side in ("up", "down"))
    changes = {key: tensors[f"{key}.diff"].float() for key in (MODULATION, HEAD)}
    changes[f"{LINEAR}.weight"] = up @ down
    return {key: weight(model, key) + strength * change for key, change in changes.items()}


def test_what_the_hosts_loader_leaves_is_written_and_put_back(pack: Any, lora_folder: Path) -> None:
    model = small_wan.load()
    before = own(model)
    a, b = save_wan(lora_folder, "a", 1), save_wan(lora_folder, "b", 2)
    theirs = model
    for name, strength in (("a", 0.8), ("b", -0.5)):
        (theirs,) = nodes.LoraLoaderModelOnly().load_lora_model_only(theirs, f"{name}.safetensors", strength)
    load(theirs)
    assert torch.equal(weight(model, MODULATION), before[MODULATION]), "the host writes it"
    ours, _, report = our_stack(pack, model, None, [("a", 0.8, 0.0), ("b", -0.5, 0.0)])
    note = (
        "skipped by ComfyUI's own loader, written by this pack: 2 weights, such as diffusion_model.blocks.1"
    )
    assert report.count(note) == 2
    load(ours)
    for key in (MODULATION, HEAD):
        meant = before[key] + 0.8 * a[f"{key}.diff"].float() - 0.5 * b[f"{key}.diff"].float()
        assert (weight(model, key) - meant).abs().max() <= 1e-6 * meant.abs().max()
    comfy.model_management.unload_all_models()
    assert is_as_before(model, before)


def test_a_baked_checkpoint_has_the_same(pack: Any, lora_folder: Path, tmp_path: Path) -> None:
    model = small_wan.load()
    state = model.model.diffusion_model.state_dict()
    checkpoint = lora_files.save(tmp_path / "wan.safetensors", state)
    save_wan(lora_folder, "a", 1)
    entries = [pack.lora_core.stack.Entry("a.safetensors", 0.8)]
    baking = importlib.import_module(f"{pack.__name__}.lora_core.baking")
    out = tmp_path / "baked.safetensors"
    baking.bake(baking.plan_bake(checkpoint, entries, [lora_folder / "a.safetensors"]), out)
    baked = load_file(out)
    ours, _, _ = our_stack(pack, model, None, [("a", 0.8, 0.0)])
    load(ours)
    for key in (MODULATION, HEAD, f"{LINEAR}.weight"):
        name = key.removeprefix("diffusion_model.")
        assert not torch.equal(baked[name], state[name]), key
        torch.testing.assert_close(weight(model, key), baked[name], rtol=1e-6, atol=1e-6)


def test_a_picture_is_that_of_the_weights_changed_by_hand(
    pack: Any, lora_folder: Path, record_property: Any
) -> None:
    model = small_wan.load()
    tensors = save_wan(lora_folder, "a", 1)
    start = torch.zeros(1, 16, small_wan.FRAMES, 8, 8)
    meant = meant_weights(model, tensors, 0.3)
    with set_by_hand(model, meant):
        byhand = small_wan.sample(model, start)
    with set_by_hand(model, {f"{LINEAR}.weight": meant[f"{LINEAR}.weight"]}):
        without = small_wan.sample(model, start)
    assert apart(byhand, without) > EFFECT, "the modulations do nothing"
    for mode in ("merged", "live"):
        ours, _, _ = our_stack(pack, model, None, [("a", 0.3, 0.0)], mode=mode)
        difference = apart(small_wan.sample(ours, start), byhand)
        record_property(f"{mode}, in standard deviations", difference)
        assert difference <= 1e-4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_each_kind_is_rounded_once_to_the_weights_own_dtype(
    pack: Any, lora_folder: Path, dtype: torch.dtype
) -> None:
    """In models of half precision such weights may be kept in float32."""
    model = small_wan.load()
    held = comfy.utils.get_attr(model.model, MODULATION)
    number, size = Numbers(5), small_wan.WIDTH
    value, difference = number(1, 6, size), number(1, 6, size)
    lora_files.save(lora_folder / "set.safetensors", {f"{MODULATION}.set_weight": value})
    lora_files.save(lora_folder / "diff.safetensors", {f"{MODULATION}.diff": difference})
    try:
        comfy.utils.set_attr_param(model.model, MODULATION, held.detach().to(dtype))
        before = own(model)
        cases = {
            "set": value.float(),
            "diff": before[MODULATION].float() + 0.7 * difference.float(),
        }
        for name, meant in cases.items():
            ours, _, _ = our_stack(pack, model, None, [(name, 0.7, 0.0)])
            load(ours)
            found = weight(model, MODULATION)
            assert found.dtype == dtype
            step = torch.finfo(dtype).eps * meant.abs().max()
            assert (found.float() - meant).abs().max() <= step, name
            comfy.model_management.unload_all_models()
            assert is_as_before(model, before)
    finally:
        comfy.utils.set_attr_param(model.model, MODULATION, held.detach())


def test_clones_take_turns_on_one_model(pack: Any, lora_folder: Path) -> None:
    """Ours on ours, a clone of a node after it, the model alone: each load is of what it names."""
    model = small_wan.load()
    before = own(model)[MODULATION]
    tensors = {name: save_wan(lora_folder, name, seed) for seed, name in enumerate("ab")}
    one, _, _ = our_stack(pack, model, None, [("a", 0.5, 0.0)])
    both, _, _ = our_stack(pack, one, None, [("b", 2.0, 0.0)])
    a, b = (tensors[name][f"{MODULATION}.diff"].float() for name in "ab")
    meant = {one: before + 0.5 * a, both: before + 0.5 * a + 2 * b, model: before}
    meant[both.clone()] = meant[both]
    for patcher in [*meant, one, model, both]:
        load(patcher)
        load(patcher)
        torch.testing.assert_close(weight(model, MODULATION), meant[patcher], rtol=1e-6, atol=1e-6)


def test_what_other_nodes_patch_stays_the_hosts_affair(pack: Any, lora_folder: Path) -> None:
    model = small_wan.load()
    before = own(model)
    tensors = {name: save_wan(lora_folder, name, seed) for seed, name in enumerate("ab")}
    (theirs,) = nodes.LoraLoaderModelOnly().load_lora_model_only(model, "a.safetensors", 1.0)
    ours, _, _ = our_stack(pack, theirs, None, [("b", 1.0, 0.0)])
    (after,) = nodes.LoraLoaderModelOnly().load_lora_model_only(ours, "a.safetensors", 1.0)
    load(after)
    meant = before[MODULATION] + tensors["b"][f"{MODULATION}.diff"].float()
    torch.testing.assert_close(weight(model, MODULATION), meant, rtol=1e-6, atol=1e-6)
    assert len(after.patches[MODULATION]) == 3


def test_a_hooks_patches_come_on_top_and_go(pack: Any, lora_folder: Path) -> None:
    model = small_wan.load()
    before = own(model)
    tensors = {name: save_wan(lora_folder, name, seed) for seed, name in enumerate("ab")}
    ours, _, _ = our_stack(pack, model, None, [("a", 1.0, 0.0)])
    lora = comfy.utils.load_torch_file(str(lora_folder / "b.safetensors"))
    hooks = comfy.hooks.create_hook_lora(lora, 1.0, 0.0)
    ours.register_all_hook_patches(hooks, comfy.hooks.create_target_dict(comfy.hooks.EnumWeightTarget.Model))
    load(ours)
    a, b = (tensors[name][f"{MODULATION}.diff"].float() for name in "ab")
    ours.patch_hooks(hooks)
    torch.testing.assert_close(weight(model, MODULATION), before[MODULATION] + a + b, rtol=1e-6, atol=1e-6)
    ours.patch_hooks(None)
    torch.testing.assert_close(weight(model, MODULATION), before[MODULATION] + a, rtol=1e-6, atol=1e-6)
    comfy.model_management.unload_all_models()
    assert is_as_before(model, before)


def test_with_little_memory_it_is_written_once_too(pack: Any, lora_folder: Path, no_vram: None) -> None:
    """First nothing fits, then a part, then all: the host loads again without putting the weights back."""
    model = small_wan.load()
    before = own(model)
    tensors = save_wan(lora_folder, "a", 1)
    ours, _, _ = our_stack(pack, model, None, [("a", 0.8, 0.0)])
    load(ours, is_full=False)
    assert model.model.model_lowvram
    meant = before[MODULATION] + 0.8 * tensors[f"{MODULATION}.diff"].float()
    for memory in (0, model.model_size() // 2, -(model.model_size() // 4), 10 * model.model_size()):
        torch.testing.assert_close(weight(model, MODULATION), meant, rtol=1e-6, atol=1e-6)
        ours.partially_load(ours.load_device, memory)
    torch.testing.assert_close(weight(model, MODULATION), meant, rtol=1e-6, atol=1e-6)
    assert not model.model.model_lowvram
    comfy.model_management.unload_all_models()
    assert is_as_before(model, before)


def test_a_layer_that_cannot_cast_is_written_where_it_waits(
    pack: Any, lora_folder: Path, no_vram: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scales of Flux's norms, for which the host has no patch on the fly and no room."""
    model, _ = layouts.load("flux", torch.float16)
    scale = layouts.uncastable_scale(model, monkeypatch)
    before = own(model)
    difference = Numbers(1)(128)
    lora_files.save(lora_folder / "norm.safetensors", {f"{scale.removesuffix('.weight')}.diff": difference})
    ours, _, report = our_stack(pack, model, None, [("norm", 0.8, 0.0)])
    assert "skipped by" not in report
    meant = (before[scale].float() + 0.8 * difference.float()).half()
    load(ours, is_full=False)
    assert model.model.model_lowvram
    assert torch.equal(weight(model, scale), meant)
    ours.partially_load(ours.load_device, 10 * model.model_size())
    assert not model.model.model_lowvram
    assert torch.equal(weight(model, scale), meant)
    comfy.model_management.unload_all_models()
    assert is_as_before(model, before)


def test_a_buffer_stays_one(pack: Any, lora_folder: Path) -> None:
    model, _ = layouts.load("sd3", torch.float32)
    before = own(model)
    network = model.model.diffusion_model
    assert "pos_embed" in network._buffers
    difference = Numbers(1)(*before[POSITIONS].shape, size=0.5)
    lora_files.save(lora_folder / "0.safetensors", {f"{POSITIONS}.diff": difference})
    meant = before[POSITIONS] + 0.8 * difference.float()
    with set_by_hand(model, {POSITIONS: meant}):
        byhand = sample(model, "sd3", steps=2)
    assert apart(byhand, sample(model, "sd3", steps=2)) > EFFECT
    ours, _, _ = our_stack(pack, model, None, [("0", 0.8, 0.0)])
    assert apart(sample(ours, "sd3", steps=2), byhand) <= 1e-4
    torch.testing.assert_close(weight(model, POSITIONS), meant, rtol=1e-6, atol=1e-6)
    comfy.model_management.unload_all_models()
    assert "pos_embed" in network._buffers
    assert is_as_before(model, before)


def test_a_host_that_lists_them_writes_them_itself(
    pack: Any, lora_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host's own load with one name more on its list, as a later one may have it."""
    path, _, name = MODULATION.rpartition(".")
    listed = ModelPatcher._load_list

    def one_more(self: Any, *args: Any, **options: Any) -> list[tuple[Any, ...]]:
        found = listed(self, *args, **options)
        *sizes, _, _, names = found[0]  # names alone in 0.3.75, parameters by name later
        owner = self.model.get_submodule(path)
        mine = {name: owner._parameters[name]} if isinstance(names, dict) else [name]
        return [*found, (*(0 for _ in sizes), path, owner, mine)]

    monkeypatch.setattr(ModelPatcher, "_load_list", one_more)
    model = small_wan.load()
    before = own(model)
    tensors = save_wan(lora_folder, "a", 1)
    ours, _, _ = our_stack(pack, model, None, [("a", 0.8, 0.0)])
    load(ours)
    for key in (MODULATION, HEAD):
        meant = before[key] + 0.8 * tensors[f"{key}.diff"].float()
        torch.testing.assert_close(weight(model, key), meant, rtol=1e-6, atol=1e-6)


def test_a_buffer_the_host_puts_back_by_itself_has_no_backup(pack: Any, lora_folder: Path) -> None:
    """Hosts that load on demand keep a model's buffers, and set them anew at each load."""
    model, _ = layouts.load("sd3", torch.float32)
    before = own(model)
    network = model.model.diffusion_model
    buffer = network.pos_embed
    difference = Numbers(1)(*buffer.shape)
    lora_files.save(lora_folder / "0.safetensors", {f"{POSITIONS}.diff": difference})
    ours, _, _ = our_stack(pack, model, None, [("0", 1.0, 0.0)])
    ours.backup_buffers = {POSITIONS: buffer}
    load(ours)
    meant = before[POSITIONS] + difference.float()
    torch.testing.assert_close(weight(model, POSITIONS), meant, rtol=1e-6, atol=1e-6)
    assert POSITIONS not in ours.backup
    network.register_buffer("pos_embed", buffer)
    comfy.model_management.unload_all_models()
    assert is_as_before(model, before)


def test_a_sweep_gives_each_strength_its_own(pack: Any, lora_folder: Path) -> None:
    model = small_wan.load()
    tensors = save_wan(lora_folder, "a", 1)
    start = torch.zeros(1, 16, small_wan.FRAMES, 8, 8)
    prepare = pack.NODE_CLASS_MAPPINGS["LoraRackSweep"]().prepare
    swept, _, latent, wire = prepare(model, {"samples": start}, "<lora:a> -0.2, 0.3")
    pictures = small_wan.sample(swept, latent["samples"], latent["batch_index"])
    assert wire.passes.strengths == (1, 1)
    for picture, strength in zip(pictures, (-0.2, 0.3), strict=True):
        comfy.model_management.unload_all_models()
        with set_by_hand(model, meant_weights(model, tensors, strength)):
            byhand = small_wan.sample(model, start)[0]
        assert apart(picture, byhand) <= 1e-4
    assert apart(pictures[0], pictures[1]) > EFFECT


def test_what_only_the_hosts_adapters_know_is_written_too(
    pack: Any, lora_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comfy.weight_adapter, "adapters", [*comfy.weight_adapter.adapters, _ShiftAdapter])
    model = small_wan.load()
    before = own(model)
    tensors = save_wan(lora_folder, "b", 2)
    lora_files.save(lora_folder / "shift.safetensors", {f"{HEAD}.shift_by": torch.tensor([0.5])})
    ours, _, _ = our_stack(pack, model, None, [("shift", 0.8, 0.0), ("b", 1.0, 0.0)])
    load(ours)
    meant = before[HEAD].abs() + 0.8 * 0.5 + tensors[f"{HEAD}.diff"].float()
    torch.testing.assert_close(weight(model, HEAD), meant, rtol=1e-6, atol=1e-6)
