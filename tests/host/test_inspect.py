"""Inspect LoRA on real models: its energies are those of what the host's own loader does to the weights."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from types import ModuleType
from typing import Any

import comfy.model_management
import layouts
import lora_files
import pytest
import torch
from patching import host_chain, patched_weights
from test_equality import kohya_tensors

FAMILIES = ("sd15", "sdxl", "sd3", "flux")


def _file(folder: Path, family: str, model: Any, clip: Any) -> str:
    lora_files.save(folder / "ink.safetensors", kohya_tensors(family, model, clip, 1))
    return "ink.safetensors"


def _energies(patcher: Any, changed: Any, place: Any) -> tuple[dict[Any, float], dict[Any, float]]:
    """‖ΔW‖² and ‖W‖² of every place that the host's loader changed, in double precision."""
    before = {key: tensor.clone() for key, tensor in patcher.model.state_dict().items()}
    change: dict[Any, float] = defaultdict(float)
    weight: dict[Any, float] = defaultdict(float)
    for key, after in patched_weights(changed).items():
        change[place(key)] += float((after.double() - before[key].double()).square().sum())
        weight[place(key)] += float(before[key].double().square().sum())
    return change, weight


@pytest.mark.parametrize("family", FAMILIES)
def test_energies_are_those_of_what_the_hosts_loader_changes(
    pack: ModuleType, core: ModuleType, lora_folder: Path, family: str
) -> None:
    model, clip = layouts.load(family, torch.float32)
    name = _file(lora_folder, family, model, clip)
    spectrum = pack.nodes.host.inspect_lora(name, model, clip).spectrum
    their_model, their_clip = host_chain(model, clip, [(name, 1.0, 1.0)])
    place = core.blocks.blocks_of_model(pack.nodes.host.key_maps.model_map(model).shapes).place
    change, weight = _energies(model, their_model, place)
    if clip is not None:
        place = core.blocks.blocks_of_model(pack.nodes.host.key_maps.clip_map(clip).shapes).place
        of_clip = _energies(clip.patcher, their_clip.patcher, place)
        change |= of_clip[0]
        weight |= of_clip[1]
    found = {(part.block, part.element): part for part in spectrum.parts}
    assert found.keys() == change.keys()
    whole = sum(change.values())
    for key, part in found.items():
        assert part.energy == pytest.approx(change[key], rel=1e-3)
        assert part.share == pytest.approx(change[key] / whole, rel=1e-3)
        assert part.relative == pytest.approx((change[key] / weight[key]) ** 0.5, rel=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_without_the_model_the_blocks_are_the_same(pack: ModuleType, lora_folder: Path, family: str) -> None:
    model, clip = layouts.load(family, torch.float32)
    name = _file(lora_folder, family, model, clip)
    alone = pack.nodes.host.inspect_lora(name).spectrum
    connected = pack.nodes.host.inspect_lora(name, model, clip).spectrum
    assert not alone.has_model
    assert [part.block for part in alone.blocks] == [part.block for part in connected.blocks]
    for one, other in zip(alone.blocks, connected.blocks, strict=True):
        assert one.energy == pytest.approx(other.energy, rel=1e-5)


def test_the_weights_compared_with_are_those_without_patches(pack: ModuleType, lora_folder: Path) -> None:
    model, _ = layouts.load("sd3", torch.float32)
    name = _file(lora_folder, "sd3", model, None)
    before = pack.nodes.host.inspect_lora(name, model).spectrum
    (patched, _) = host_chain(model, None, [(name, 5.0, 5.0)])
    try:
        comfy.model_management.load_models_gpu([patched], force_full_load=True)
        pack.nodes.host.files.CACHE.discard(
            lambda key: key[0] == "spectrum" if isinstance(key, tuple) else False
        )
        during = pack.nodes.host.inspect_lora(name, patched).spectrum
    finally:
        comfy.model_management.unload_all_models()
    assert [part.relative for part in during.blocks] == pytest.approx(
        [part.relative for part in before.blocks]
    )


def test_the_node_gives_a_report_and_a_picture(pack: ModuleType, lora_folder: Path) -> None:
    model, clip = layouts.load("sd15", torch.float32)
    name = _file(lora_folder, "sd15", model, clip)
    node = pack.NODE_CLASS_MAPPINGS["LoraRackInspect"]
    assert node.OUTPUT_NODE
    returned = node().inspect(name, model, clip)
    report, chart = returned["result"]
    assert returned["ui"] == {"text": [report]}
    assert "made for: Stable Diffusion 1" in report
    assert "  IN04 " in report
    assert chart.dtype == torch.float32
    assert chart.ndim == 4
    assert chart.shape[0] == 1
    assert chart.shape[-1] == 3
    assert 0 <= float(chart.min()) < float(chart.max()) == 1


def test_what_is_measured_is_kept_until_the_file_changes(pack: ModuleType, lora_folder: Path) -> None:
    model, _ = layouts.load("sd3", torch.float32)
    name = _file(lora_folder, "sd3", model, None)
    inspect = pack.nodes.host.inspect_lora
    assert inspect(name, model).spectrum is inspect(name, model).spectrum
    first = inspect(name).spectrum
    lora_files.save(lora_folder / name, kohya_tensors("sd3", model, None, 2))
    assert inspect(name).spectrum is not first


def test_a_lora_for_another_model_is_inspected_all_the_same(pack: ModuleType, lora_folder: Path) -> None:
    sd15, clip = layouts.load("sd15", torch.float32)
    name = _file(lora_folder, "sd15", sd15, clip)
    sd3, _ = layouts.load("sd3", torch.float32)
    report = pack.NODE_CLASS_MAPPINGS["LoraRackInspect"]().inspect(name, sd3)["result"][0]
    assert "made for Stable Diffusion 1 (its layers), the model is Stable Diffusion 3" in report
    assert "  IN04 " in report


def test_a_broken_file_is_the_files_error(pack: ModuleType, core: ModuleType, lora_folder: Path) -> None:
    (lora_folder / "bad.safetensors").write_bytes(b"\x10")
    with pytest.raises(core.errors.BrokenFile, match=r"bad\.safetensors"):
        pack.NODE_CLASS_MAPPINGS["LoraRackInspect"]().inspect("bad.safetensors")
