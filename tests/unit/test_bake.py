"""Baking a layer at a time gives what the whole file gives, in every kind; tests/host has the host's word."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from stored_kinds import KINDS, save_kind
from torch import Tensor

from lora_core.applying.matching import match
from lora_core.applying.patch import Step, fuse
from lora_core.baking import BAKED, Bake, bake, plan_bake
from lora_core.blocks import read_block_weights
from lora_core.errors import BrokenFile, NotALora, RackError
from lora_core.grammar import parse
from lora_core.key_maps.key_map import KeyMap, Target
from lora_core.reading.contents import read_file
from lora_core.reading.files import read_header
from lora_core.reading.lora import read_lora
from lora_core.reading.partial import PartialLora
from lora_core.stack import Entry

LAYERS = ("diffusion_model.blocks.0.q", "diffusion_model.blocks.1.q")


def _n(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def _checkpoint(folder: Path) -> Path:
    tensors = {f"model.{layer}.weight": _n(8, 6) + n for n, layer in enumerate(LAYERS)}
    tensors |= {f"model.{layer}.bias": _n(8) + n for n, layer in enumerate(LAYERS)}
    tensors |= {f"model.diffusion_model.other.{n}.weight": _n(2) for n in range(6)}
    save_file(tensors, folder / "model.safetensors")
    return folder / "model.safetensors"


def _lora(path: Path, kind: str, **metadata: str) -> Path:
    return save_kind(path, KINDS[kind], *LAYERS, **metadata)


def _whole(weights: Mapping[str, Tensor], paths: list[Path], strengths: list[float]) -> dict[str, Tensor]:
    """The weights with the stack, every file read at once."""
    after = {key.removeprefix("model."): value.clone() for key, value in weights.items()}
    names = {layer: Target(f"{layer}.weight") for layer in LAYERS}
    key_map = KeyMap.of(names, {key: tuple(value.shape) for key, value in after.items()})
    matches = [match(read_lora(read_file(path)), key_map) for path in paths]
    assert all(found.layers for found in matches)
    for key, steps in fuse(matches).at(strengths).items():
        for step in steps:
            assert isinstance(step, Step)
            step.adapter.apply(after[key], step.strength, torch.float32, step.target.function)
    return {f"model.{key}": value for key, value in after.items()}


def _plan(checkpoint: Path, paths: list[Path], strengths: list[float]) -> Bake:
    return plan_bake(checkpoint, [Entry(p.name, s) for p, s in zip(paths, strengths, strict=True)], paths)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_baked_as_the_whole_file_is_applied(kind: str, tmp_path: Path) -> None:
    checkpoint = _checkpoint(tmp_path)
    paths = [
        _lora(tmp_path / "first.safetensors", "LoRA"),
        _lora(tmp_path / "second.safetensors", kind),
        _lora(tmp_path / "third.safetensors", "LoRA with bias"),
    ]
    strengths = [0.5, -0.75, 1.25]
    out = tmp_path / "out.safetensors"
    bake(_plan(checkpoint, paths, strengths), out)
    expected, found = _whole(load_file(checkpoint), paths, strengths), load_file(out)
    assert all(torch.equal(found[key], value) for key, value in expected.items())


def test_an_outline_has_no_contents(tmp_path: Path) -> None:
    for kind in KINDS:
        outline = PartialLora(_lora(tmp_path / "a.safetensors", kind)).outline
        whole = read_lora(read_file(tmp_path / "a.safetensors"))
        assert outline.layers.keys() == whole.layers.keys()
        assert outline.kinds == whole.kinds


def test_the_scale_of_peft_comes_from_the_metadata(tmp_path: Path) -> None:
    checkpoint = _checkpoint(tmp_path)
    config = json.dumps({"r": 2, "lora_alpha": 6})
    plain = _lora(tmp_path / "plain.safetensors", "LoRA with bias")
    scaled = _lora(tmp_path / "scaled.safetensors", "LoRA with bias", lora_adapter_metadata=config)
    bake(_plan(checkpoint, [plain], [3.0]), tmp_path / "a.safetensors")
    bake(_plan(checkpoint, [scaled], [1.0]), tmp_path / "b.safetensors")
    found = [load_file(tmp_path / name) for name in ("a.safetensors", "b.safetensors")]
    assert all(torch.allclose(found[0][key], value, atol=1e-6) for key, value in found[1].items())


def test_a_config_that_is_anothers_is_used_for_no_layer(tmp_path: Path) -> None:
    checkpoint = _checkpoint(tmp_path)
    tensors = {f"{LAYERS[0]}.lora_B.weight": _n(8, 2), f"{LAYERS[0]}.lora_A.weight": _n(2, 6)}
    tensors |= {f"{LAYERS[1]}.lora_B.weight": _n(8, 3), f"{LAYERS[1]}.lora_A.weight": _n(3, 6)}
    config = json.dumps({"r": 2, "lora_alpha": 6})  # the second layer has another rank
    path = tmp_path / "lora.safetensors"
    save_file(tensors, path, metadata={"lora_adapter_metadata": config})
    out = tmp_path / "out.safetensors"
    bake(_plan(checkpoint, [path], [1.0]), out)
    expected = _whole(load_file(checkpoint), [path], [1.0])
    assert torch.equal(load_file(out)[f"model.{LAYERS[0]}.weight"], expected[f"model.{LAYERS[0]}.weight"])


def test_a_control_lora_widens_the_input(tmp_path: Path) -> None:
    """Black Forest Labs' Canny and Depth: a format that only the whole file tells, and a larger weight."""
    flux = {
        "img_in.weight": _n(8, 4),
        "img_in.bias": _n(8),
        "double_blocks.0.img_attn.norm.key_norm.scale": _n(2),
        "single_blocks.0.norm.key_norm.scale": _n(2),
    }
    checkpoint, lora, out = (tmp_path / name for name in ("m.safetensors", "l.safetensors", "o.safetensors"))
    save_file(flux, checkpoint)
    tensors = {
        "img_in.lora_A.weight": _n(2, 6),
        "img_in.lora_B.weight": _n(8, 2),
        "img_in.lora_B.bias": _n(8),
    }
    save_file({**tensors, "single_blocks.0.norm.key_norm.scale": _n(2) + 1}, lora)
    bake(_plan(checkpoint, [lora], [1.0]), out)
    after = load_file(out)
    wide = torch.cat([flux["img_in.weight"], torch.zeros(8, 2)], dim=1)
    change = tensors["img_in.lora_B.weight"] @ tensors["img_in.lora_A.weight"]
    assert torch.allclose(after["img_in.weight"], wide + change, atol=1e-6)
    assert torch.allclose(after["img_in.bias"], flux["img_in.bias"] + tensors["img_in.lora_B.bias"])
    assert torch.equal(after["single_blocks.0.norm.key_norm.scale"], _n(2) + 1)


def test_nan_is_found_while_baking_and_leaves_nothing(tmp_path: Path) -> None:
    checkpoint = _checkpoint(tmp_path)
    path = _lora(tmp_path / "lora.safetensors", "LoRA")
    tensors = load_file(path)
    tensors[f"{LAYERS[1]}.lora_up.weight"][0, 0] = float("nan")
    save_file(tensors, path)
    planned = _plan(checkpoint, [path], [1.0])
    with pytest.raises(BrokenFile, match="NaN"):
        bake(planned, tmp_path / "out.safetensors")
    assert {p.name for p in tmp_path.iterdir()} == {"lora.safetensors", "model.safetensors"}


def test_a_checkpoint_that_changes_meanwhile_is_an_error(tmp_path: Path) -> None:
    checkpoint = _checkpoint(tmp_path)
    planned = _plan(checkpoint, [_lora(tmp_path / "lora.safetensors", "LoRA")], [1.0])
    checkpoint.write_bytes(checkpoint.read_bytes()[:-4])
    with pytest.raises(BrokenFile, match="changed"):
        bake(planned, tmp_path / "out.safetensors")


def test_a_file_that_is_no_lora_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(NotALora):
        _plan(_checkpoint(tmp_path), [_checkpoint(tmp_path)], [1.0])


@pytest.mark.parametrize("scaled", [LAYERS[0], "diffusion_model.untouched"])
def test_dtype_and_a_scale_beside_a_weight_exclude_each_other(scaled: str, tmp_path: Path) -> None:
    tensors = {f"model.{LAYERS[0]}.weight": _n(8, 6)}
    tensors |= {
        f"model.{scaled}.weight": _n(8, 6).to(torch.float8_e4m3fn),
        f"model.{scaled}.scale_weight": _n(1),
    }
    tensors |= {f"model.diffusion_model.other.{n}.weight": _n(2) for n in range(6)}
    save_file(tensors, tmp_path / "model.safetensors")
    planned = _plan(tmp_path / "model.safetensors", [_lora(tmp_path / "lora.safetensors", "LoRA")], [1.0])
    with pytest.raises(RackError, match="scaled float8"):
        bake(planned, tmp_path / "out.safetensors", torch.bfloat16)


def test_a_window_cannot_be_baked(tmp_path: Path) -> None:
    path = _lora(tmp_path / "lora.safetensors", "LoRA")
    with pytest.raises(RackError, match="of the sampling, a checkpoint"):
        plan_bake(_checkpoint(tmp_path), [Entry(path.name, stop=0.5)], [path])


def test_the_metadata_keeps_the_row_as_a_tag(tmp_path: Path) -> None:
    path = _lora(tmp_path / "lora.safetensors", "LoRA")
    entry = Entry(path.name, 0.5, 0.5, blocks=read_block_weights("*=0.5"))
    bake(plan_bake(_checkpoint(tmp_path), [entry], [path]), tmp_path / "out.safetensors")
    (record,) = json.loads(read_header(tmp_path / "out.safetensors").metadata[BAKED])
    assert parse(record["stack"]).entries == (entry,)
