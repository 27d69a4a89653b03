"""What is kept between two queues, and what never leaks from one to the other."""

from __future__ import annotations

import gc
import os
import weakref
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import comfy.lora
import comfy.model_management
import layouts
import lora_files
import pytest
import small_wan
import torch
from patching import our_stack, patched_weights
from test_equality import kohya_tensors


@pytest.fixture
def rows(lora_folder: Path) -> list[tuple[str, float, float]]:
    model, _ = layouts.load("sd3", torch.float32)
    for seed in range(3):
        lora_files.save(lora_folder / f"{seed}.safetensors", kohya_tensors("sd3", model, None, seed))
    return [(f"{seed}.safetensors", 1.0, 1.0) for seed in range(3)]


def test_a_stack_applied_again_reads_no_file_and_maps_no_key(
    pack: Any, rows: list[tuple[str, float, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = layouts.load("sd3", torch.float32)
    host = pack.nodes.host
    calls: list[str] = []
    for module, name in (
        (host.files, "read_file"),
        (host.files, "read_header"),
        (host.patching, "match"),
        (host.patching, "fuse"),
        (comfy.lora, "model_lora_keys_unet"),
    ):
        original = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, _f=original, _n=name: (calls.append(_n), _f(*a))[1])
    first, _, _ = our_stack(pack, model, None, rows)
    assert calls.count("read_file") == 3
    assert calls.count("match") == 3
    calls.clear()
    again, _, _ = our_stack(pack, model, None, rows)
    our_stack(pack, model, None, [(name, 0.3, 0.3) for name, _, _ in rows])  # new strengths, the same factors
    assert calls == []
    once, twice = patched_weights(first), patched_weights(again)
    assert all(torch.equal(once[key], twice[key]) for key in once)


def test_a_file_replaced_on_disk_is_read_again(
    pack: Any, rows: list[tuple[str, float, float]], lora_folder: Path
) -> None:
    model, _ = layouts.load("sd3", torch.float32)
    before = patched_weights(our_stack(pack, model, None, rows[:1])[0])
    path = lora_files.save(lora_folder / "0.safetensors", kohya_tensors("sd3", model, None, 6))
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))
    after = patched_weights(our_stack(pack, model, None, rows[:1])[0])
    assert any(not torch.equal(before[key], after[key]) for key in before)


def test_the_bound_holds_for_what_a_stack_keeps_of_its_files(
    pack: Any, monkeypatch: pytest.MonkeyPatch, lora_folder: Path
) -> None:
    """A stack of one file has its factors in the memory of the file, which must not outlive its place."""
    model, _ = layouts.load("sd3", torch.float32)
    host = pack.nodes.host
    names = [f"{number}.safetensors" for number in range(3)]
    sizes = [
        lora_files.save(lora_folder / name, kohya_tensors("sd3", model, None, 0)).stat().st_size
        for name in names
    ]
    cache = type(host.files.CACHE)(int(1.5 * sizes[0]))
    for module in (host.files, host.patching):
        monkeypatch.setattr(module, "CACHE", cache)
    seen = []
    for name in names:
        (adapter, *_), *_ = host.files.load(name).lora.layers.values()
        seen.append(weakref.ref(adapter.up))
        del adapter
        our_stack(pack, model, None, [(name, 1.0, 1.0)])
    gc.collect()
    assert [factors() is not None for factors in seen] == [False, False, True]


def test_nothing_kept_of_a_stack_keeps_the_names_of_its_model(
    pack: Any, rows: list[tuple[str, float, float]]
) -> None:
    model, _ = layouts.load("sd3", torch.float32)
    host = pack.nodes.host
    our_stack(pack, model, None, rows)
    host.inspect_lora(rows[0][0], model)
    names = weakref.ref(host.key_maps.model_map(model))
    del host.key_maps._KEY_MAPS[model.model]  # as when the model goes
    gc.collect()
    assert names() is None


@pytest.mark.parametrize("use", ["merged", "live", "window", "sweep", "error"])
def test_a_model_goes_with_its_last_user(pack: Any, use: str, lora_folder: Path) -> None:
    """Nothing of ours holds a model or stands in a circle with one, which the host reports as a leak."""
    model = small_wan.load.__wrapped__()
    layer = "diffusion_model.blocks.0.self_attn.q"
    up, down = torch.ones(small_wan.WIDTH, 1), torch.ones(1, small_wan.WIDTH)
    tensors = {f"{layer}.lora_A.weight": down, f"{layer}.lora_B.weight": up}
    lora_files.save(lora_folder / "a.safetensors", tensors)
    dead = _dead()
    gc.disable()
    try:
        _used(pack, model, use)
        weak = [weakref.ref(model), weakref.ref(model.model)]
        del model
        assert [one() for one in weak] == [None, None]
        assert _dead() == dead
    finally:
        gc.enable()


def _dead() -> int:
    """How many models the host takes for leaked."""
    return sum(held.is_dead() for held in comfy.model_management.current_loaded_models)


def _used(pack: Any, model: Any, use: str) -> None:
    """Sample once with a LoRA on."""
    start = torch.zeros(1, 16, small_wan.FRAMES, 8, 8)
    more: dict[str, Any] = {}
    if use == "sweep":
        node = pack.NODE_CLASS_MAPPINGS["LoraRackSweep"]()
        model, *_ = node.prepare(model, {"samples": start}, "<lora:a> 0.2, 0.8")
        start = start.repeat(2, 1, 1, 1, 1)
    else:
        text = "<lora:a:0.5:start=0.2:stop=0.7>" if use == "window" else "<lora:a:0.5>"
        stack, _ = pack.NODE_CLASS_MAPPINGS["LoraRackStack"]().build(text)
        mode = {"merged": "merged", "window": "auto"}.get(use, "live")
        model = pack.NODE_CLASS_MAPPINGS["LoraRackApply"]().apply(model, stack, "error", None, mode)[
            "result"
        ][0]
    if use == "error":
        more["callback"] = _interrupted
    with pytest.raises(ValueError, match="interrupted") if use == "error" else nullcontext():
        small_wan.sample(model, start, **more)


def _interrupted(*_: Any) -> None:
    raise ValueError("interrupted")


def test_two_stacks_on_one_model_do_not_see_each_other(
    pack: Any, rows: list[tuple[str, float, float]]
) -> None:
    model, _ = layouts.load("sd3", torch.float32)
    first, _, _ = our_stack(pack, model, None, rows[:1])
    alone = patched_weights(first)
    second, _, _ = our_stack(pack, model, None, rows[1:])
    both, _, _ = our_stack(pack, first, None, rows[1:])
    patched_weights(second), patched_weights(both)
    again = patched_weights(first)
    assert model.patches == {}
    assert all(torch.equal(alone[key], again[key]) for key in alone)


def test_an_adapter_survives_the_rebuild_newer_hosts_do(
    pack: Any, rows: list[tuple[str, float, float]]
) -> None:
    """They make `type(a)(a.loaded_keys, moved)`, and move only tensors in nested tuples and lists."""
    model, _ = layouts.load("sd3", torch.float32)
    patched, _, _ = our_stack(pack, model, None, rows)

    def moved(value: Any) -> Any:
        if isinstance(value, tuple | list):
            return type(value)(moved(item) for item in value)
        return value.clone() if isinstance(value, torch.Tensor) else value

    state = model.model.state_dict()
    for key, patches in patched.patches.items():
        (strength, adapter, strength_model, offset, function), *_ = patches
        rebuilt = type(adapter)(adapter.loaded_keys, moved(adapter.weights))
        results = [
            comfy.lora.calculate_weight(
                [(strength, one, strength_model, offset, function)], state[key].clone(), key
            )
            for one in (adapter, rebuilt)
        ]
        assert torch.equal(*results)


def test_the_bound_of_the_cache_is_the_documented_setting(pack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORA_RACK_CACHE_MIB", "7")  # the name docs/decisions/0002 and docs/nodes.md give
    assert pack.nodes.host.files._cache_bytes() == 7 * 2**20
