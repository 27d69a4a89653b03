"""Blocks of the host's own models at full depth, and weights patched with blocks against its loader."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import block_tables
import families
import full_models
import layouts
import lora_files
import pytest
import torch
from lora_rack.lora_core.blocks import blocks_of_model
from lora_rack.lora_core.families import words
from patching import assert_equal, host_chain
from test_equality import kohya_tensors

VERSION = importlib.import_module("comfyui_version").__version__

_KINDS = {
    "SD1": {
        "attn1.q",
        "attn2.k",
        "attn2.out",
        "ff.up",
        "res.conv",
        "res.time",
        "res.skip",
        "norm",
        "proj",
        "resample",
    },
    "Stable Video Diffusion": {"temporal.attn1.q", "temporal.res.conv"},
    "SD3.5 medium": {"img.attn.qkv", "img.attn2.qkv", "txt.ff.up", "img.mod", "txt.attn.norm"},
    "Flux.1": {"img.attn.qkv", "txt.attn.out", "img.ff.down", "txt.mod", "linear1", "linear2", "mod"},
    "Wan 2.1 i2v": {"attn1.q", "attn2.img.k", "attn2.v", "attn1.norm", "ff.up"},
    "Qwen-Image": {"attn.q", "attn.txt.q", "attn.txt.out", "img.ff.up", "txt.mod", "attn.norm"},
    "Z-Image": {"attn.qkv", "attn.out", "attn.norm", "ff.up", "ff.norm", "mod"},
    "LTX-Video": {"attn1.q", "attn2.k", "ff.up", "attn1.norm"},
    "AuraFlow": {"attn.txt.q", "attn.img.q", "attn.q", "txt.ff.up", "img.ff.down"},
}


def test_the_expected_blocks_are_those_of_every_model_the_host_ring_knows() -> None:
    assert full_models.BLOCKS.keys() == families.MODELS.keys()
    assert full_models.TEXT_BLOCKS.keys() == families.TEXT_ENCODERS.keys()


@pytest.mark.parametrize("name", families.MODELS)
def test_every_weight_of_a_model_is_in_a_block_of_its_family(name: str) -> None:
    _check(full_models.shapes_of(name), full_models.BLOCKS[name], "diffusion_model.")


@pytest.mark.parametrize("name", families.TEXT_ENCODERS)
def test_every_weight_of_a_text_encoder_is_in_a_block(name: str) -> None:
    _check(full_models.text_shapes_of(name), full_models.TEXT_BLOCKS[name], "")


def _check(shapes: Mapping[str, tuple[int, ...]], expected: str, prefix: str) -> None:
    family = blocks_of_model(shapes)
    keys = [key for key in shapes if key.endswith(".weight") and key.startswith(prefix)]
    assert list(family.blocks(keys)) == list(_ids(expected))
    assert {word for key in keys for word in family.place(key).element.split(".")} <= words()


def _ids(text: str) -> Any:
    for part in text.split():
        first, _, last = part.partition("-")
        if not last:
            yield first
            continue
        start = first[-len(last) :] if "." not in first else first.rpartition(".")[2]
        kind = first.removesuffix(start)
        for number in range(int(start), int(last) + 1):
            yield f"{kind}{number}" if "." in kind else f"{kind}{number:02d}"


@pytest.mark.parametrize("name", _KINDS)
def test_the_parts_of_a_block_are_told_apart(name: str) -> None:
    shapes = full_models.shapes_of(name)
    family = blocks_of_model(shapes)
    assert _KINDS[name] <= {family.place(key).element for key in shapes}


def test_packed_weights_do_not_hide_the_family() -> None:
    """NF4 and its like keep a model's keys, not its shapes."""
    shapes = full_models.shapes_of("Flux.1")
    assert blocks_of_model(dict.fromkeys(shapes, ())).name == "flux"
    assert blocks_of_model(dict.fromkeys(full_models.shapes_of("SDXL"), ())).present[1] == "IN00"


@pytest.mark.skipif(
    VERSION != block_tables.HOST, reason=f"this is {VERSION}, the tables are {block_tables.HOST}'s"
)
def test_the_tables_of_the_document_are_current_in_the_host_they_are_of() -> None:
    text = block_tables.DOCUMENT.read_text(encoding="utf-8")
    assert text == block_tables.current(text), "run tests/host/block_tables.py"


def test_the_tables_of_the_document_hold_in_every_host() -> None:
    """A model may have gained or lost a weight, such as Lumina's `norm_final`; its blocks are the same."""
    text = block_tables.DOCUMENT.read_text(encoding="utf-8")
    assert _uncounted(text) == _uncounted(block_tables.current(text))


def _uncounted(text: str) -> str:
    return re.sub(r"\b(\d+) of \1\b", "all", text)


def _number(key: str, part: str) -> int:
    return int(key.partition(f"{part}.")[2].partition(".")[0])


def _unet(key: str) -> float:
    """IN04-08=0.5 M00=0 OUT*=2 */attn2=0.25"""
    if ".attn2." in key:
        return 0.25
    if "input_blocks" in key:
        return 0.5 if 4 <= _number(key, "input_blocks") <= 8 else 1
    return 0 if "middle_block" in key else 2


def _sd3(key: str) -> float:
    """J01*=0 */txt.ff=0.5"""
    if ".context_block.mlp." in key:
        return 0.5
    return 0 if "joint_blocks.1." in key else 1


def _flux(key: str) -> float:
    """D*=0.5 S00=0 S*/linear2=2"""
    if ".linear2." in key:
        return 2
    return 0.5 if "double_blocks" in key else 0


_CASES: dict[str, Callable[[str], float]] = {"sd15": _unet, "sdxl": _unet, "sd3": _sd3, "flux": _flux}
_TEXTS = {
    "sd15": "IN04-08=0.5 M00=0 OUT*=2 */attn2=0.25 BASE=1 BASE/attn=0.5",
    "sdxl": "IN04-08=0.5 M00=0 OUT*=2 */attn2=0.25",
    "sd3": "J01=0 */txt.ff=0.5",
    "flux": "D*=0.5 S00=0 S*/linear2=2",
}


@pytest.mark.parametrize("name", _CASES)
def test_blocks_equal_the_hosts_loader_with_each_layer_weighted_in_the_file(
    pack: Any, lora_folder: Path, record_property: Any, name: str
) -> None:
    model, clip = layouts.load(name, torch.float32)
    tensors = kohya_tensors(name, model, clip, seed=2)
    keys = {
        k.removesuffix(".weight").replace("diffusion_model.", "lora_unet_", 1).replace(".", "_"): k
        for k in model.model.state_dict()
    }
    weighted = {}
    for tensor_name, tensor in tensors.items():
        layer, _, role = tensor_name.partition(".")
        key = keys.get(layer)
        weight = _CASES[name](key) if key else 0.5 if "self_attn" in layer else 1.0
        if weight:  # powers of two: the file's numbers stay exact
            weighted[tensor_name] = tensor * weight if role == "lora_up.weight" else tensor
    lora_files.save(lora_folder / "plain.safetensors", tensors)
    lora_files.save(lora_folder / "weighted.safetensors", weighted)
    nodes = pack.NODE_CLASS_MAPPINGS
    (blocks,) = nodes["LoraRackBlocks"]().write("plain", _TEXTS[name])
    our_model, our_clip, _ = nodes["LoraRackLoad"]().load(model, "plain", 0.7, 0.9, clip, blocks=blocks)
    host_model, host_clip = host_chain(model, clip, [("weighted.safetensors", 0.7, 0.9)])
    assert_equal(our_model, host_model, record_property)
    if clip is not None:
        assert_equal(our_clip.patcher, host_clip.patcher, record_property)
    stack, _ = nodes["LoraRackAdd"]().add("plain", 0.7, 0.9, blocks=blocks)
    stacked, _, _ = nodes["LoraRackApply"]().apply(model, stack, "error", clip)["result"][:3]
    assert_equal(stacked, our_model, record_property)
