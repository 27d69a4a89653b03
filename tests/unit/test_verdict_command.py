"""`verdict`: what Apply would say, from headers alone, and without torch."""

from __future__ import annotations

import json
import math
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from recorded_hosts import recorded, shapes
from safetensors.torch import load_file
from small_files import FC1, TEXT_LAYER, UNET_LAYER, Q, json_of, pair, save_lora, write_checkpoint, write_ink
from stored_kinds import KINDS, OF_CONVOLUTIONS, RARE, save_kind

from lora_core.applying import match
from lora_core.cli import main
from lora_core.key_maps import KeyMap, model_names
from lora_core.reading import Lora, PartialLora, read_file, read_lora

ROOT = Path(__file__).resolve().parents[2]
MODEL_Q = f"diffusion_model.{Q}.weight"
OUT = f"diffusion_model.{Q.replace('to_q', 'to_out.0')}"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path)


def hollow(path: Path, shapes: Mapping[str, tuple[int, ...]], bytes_more: int = 0) -> Path:
    """A file with a header and, behind it, a hole."""
    entries: dict[str, Any] = {}
    end = 0
    for key, shape in shapes.items():
        entries[key] = {"dtype": "F16", "shape": shape, "data_offsets": [end, end + 2 * math.prod(shape)]}
        end += 2 * math.prod(shape)
    if bytes_more:
        entries["first_stage_model.filler"] = {
            "dtype": "U8",
            "shape": [bytes_more],
            "data_offsets": [end, end + bytes_more],
        }
    header = json.dumps(entries).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + end + bytes_more)
    return path


LINEAR = {**KINDS, **RARE}
CONVOLUTION = "input_blocks.1.0.in_layers.2"


def _answers(lora: Lora, names: KeyMap) -> tuple[Any, ...]:
    found = match(lora, names)
    return (
        {
            layer: [(a.kind, a.rank, a.change_shape) for a in adapters]
            for layer, adapters in lora.layers.items()
        },
        lora.kinds,
        lora.widths,
        lora.unknown_keys,
        found.layers,
        found.misfits,
        found.keys_that_need_weight,
    )


@pytest.mark.parametrize("kind", [*LINEAR, *OF_CONVOLUTIONS])
def test_headers_and_tensors_give_one_answer(kind: str, tmp_path: Path) -> None:
    layers = (UNET_LAYER, "lora_unet_" + CONVOLUTION.replace(".", "_"))
    path = save_kind(tmp_path / "a.safetensors", {**LINEAR, **OF_CONVOLUTIONS}[kind], *layers)
    shapes = {f"diffusion_model.{Q}.weight": (8, 6), f"diffusion_model.{CONVOLUTION}.weight": (8, 6, 3, 3)}
    shapes |= {f"diffusion_model.{Q}.bias": (8,), "diffusion_model.input_blocks.0.0.weight": (8, 4, 3, 3)}
    names = KeyMap.of(model_names(shapes), shapes)
    outline, whole = PartialLora(path).outline, read_lora(read_file(path))
    assert _answers(outline, names) == _answers(whole, names)


def test_json_says_what_becomes_of_every_layer(
    tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lora = save_lora(tmp_path / "a.safetensors", pair(UNET_LAYER, 8, 8), pair("lora_unet_nowhere", 8, 8))
    (found,) = json_of(capsys, "verdict", lora, "--model", checkpoint)
    assert found["kind"] == "lora"
    assert (found["formats"], found["rank"]) == ({"LoRA": 2}, 2)
    assert (found["layers"], found["matched"], found["unmatched"]) == (2, 1, ["lora_unet_nowhere"])
    assert found["targets"] == {UNET_LAYER: {"key": MODEL_Q, "rows": None, "columns": None}}
    assert found["model_family"] == "Stable Diffusion 1"
    assert (found["misfits"], found["unknown_keys"], found["applied_twice"]) == ([], [], [])
    assert found["error"] is None


def test_what_is_no_lora_has_every_field_too(
    tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = save_lora(tmp_path / "b.safetensors", {"x.y": torch.zeros(2)})
    lora = save_lora(tmp_path / "a.safetensors", pair(UNET_LAYER, 8, 8))
    whole, other, plain = json_of(capsys, "verdict", checkpoint, nothing, lora, "--model", checkpoint)
    assert (whole["kind"], other["kind"], plain["kind"]) == ("checkpoint", "unknown", "lora")
    assert whole.keys() == other.keys() == plain.keys()
    assert "whole checkpoint" in whole["error"]


def test_weights_that_are_set_are_no_layers(
    tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    value = {f"{UNET_LAYER}.set_weight": torch.ones(8, 8)}
    lora = save_lora(tmp_path / "a.safetensors", pair(OUT, 8, 8), value)
    (found,) = json_of(capsys, "verdict", lora, "--model", checkpoint)
    assert (found["layers"], found["matched"]) == (1, 1)
    assert list(found["targets"]) == [OUT]
    assert found["set"] == {UNET_LAYER: {"key": MODEL_Q, "rows": None, "columns": None}}
    main(["verdict", str(lora), "--model", str(checkpoint)])
    assert "1 of 1 layers match (1 in the model), 1 of 1 weight set" in capsys.readouterr().out


def test_a_modulation_is_named_as_the_file_has_it(
    tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change = {"diffusion_model.blocks.0.diff_m": torch.ones(1, 6, 8)}
    lora = save_lora(tmp_path / "a.safetensors", pair(UNET_LAYER, 8, 8), change)
    model = hollow(
        tmp_path / "wan.safetensors",
        {
            "head.modulation": (1, 2, 8),
            "head.head.weight": (4, 8),
            "blocks.0.cross_attn.q.weight": (8, 8),
            "blocks.0.modulation": (1, 6, 8),
        },
    )
    (found,) = json_of(capsys, "verdict", lora, "--model", model)
    place = {"key": "diffusion_model.blocks.0.modulation", "rows": None, "columns": None}
    assert found["targets"] == {"diffusion_model.blocks.0 (diff_m)": place}
    (found,) = json_of(capsys, "verdict", lora, "--model", checkpoint)
    assert found["unmatched"] == ["diffusion_model.blocks.0 (diff_m)"]


@pytest.mark.parametrize("length", [8, 32])
def test_an_ia3_whose_flag_is_lost_goes_to_the_side_that_is_as_long(
    length: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vector = {
        f"{TEXT_LAYER}.weight": torch.ones(length),
        f"{TEXT_LAYER}.on_input": torch.tensor(length == 32),
    }
    lora = save_lora(tmp_path / "a.safetensors", vector)
    (found,) = json_of(capsys, "verdict", lora, "--model", write_checkpoint(tmp_path))
    assert (found["matched"], found["misfits"]) == (1, [])


def test_a_name_of_model_and_text_encoder_is_the_models(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """ACE-Step 1.5 and its text encoder have layers of the same names, at times of one width."""
    layer = "layers.1.self_attn.v_proj"
    weights = shapes(recorded("0.28.0")["ACEStep15"])
    wide = weights[f"diffusion_model.decoder.{layer}.weight"]
    model = hollow(tmp_path / "ace.safetensors", weights)
    encoder = hollow(
        tmp_path / "qwen.safetensors",
        {f"model.{layer.replace('.1.', f'.{n}.')}.weight": wide for n in (0, 1)}
        | {"model.layers.0.self_attn.k_proj.weight": wide},
    )
    lora = save_lora(tmp_path / "a.safetensors", pair(f"base_model.model.{layer}", *wide))
    (found,) = json_of(capsys, "verdict", lora, "--model", model, "--clip", encoder)
    assert [target["key"] for target in found["targets"].values()] == [
        f"diffusion_model.decoder.{layer}.weight"
    ]
    assert found["error"] is None


def test_exit_codes(tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fits = write_ink(tmp_path)
    partly = save_lora(tmp_path / "a.safetensors", pair(UNET_LAYER, 8, 8), pair("lora_unet_nowhere", 8, 8))
    misfit = save_lora(tmp_path / "b.safetensors", pair(UNET_LAYER, 4, 8))
    missing = tmp_path / "missing.safetensors"

    def run(*arguments: object) -> int:
        return main(["verdict", *map(str, arguments)])

    assert run(fits, "--model", checkpoint) == 0
    assert run(fits, partly, "--model", checkpoint) == 1
    assert run(misfit, "--model", checkpoint) == 1
    assert run(missing, fits, "--model", checkpoint) == 2
    assert run(fits, "--model", missing) == 2
    assert run(fits, "--model", fits) == 2
    assert "holds no diffusion model" in capsys.readouterr().err


def test_layers_of_a_text_encoder_are_found_without_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the encoders SDXL is used with: the second CLIP is the wide one."""
    model = hollow(
        tmp_path / "model.safetensors",
        {
            f"model.diffusion_model.{key}.weight": shape
            for key, shape in {
                **{f"input_blocks.{n}.0.in_layers.2": (8, 8, 3, 3) for n in range(1, 7)},
                "input_blocks.0.0": (8, 4, 3, 3),
                "input_blocks.4.1.transformer_blocks.0.attn2.to_k": (8, 2048),
            }.items()
        },
    )
    first, second = (f"text_model.encoder.layers.{n}.self_attn.q_proj" for n in (0, 31))
    lora = save_lora(
        tmp_path / "a.safetensors",
        pair("lora_te1_" + first.replace(".", "_"), 768, 768),
        pair("lora_te2_" + second.replace(".", "_"), 1280, 1280),
    )
    (found,) = json_of(capsys, "verdict", lora, "--model", model)
    keys = {target["key"] for target in found["targets"].values()}
    assert keys == {f"clip_l.transformer.{first}.weight", f"clip_g.transformer.{second}.weight"}


def test_a_text_encoder_in_a_file_of_its_own(
    tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = hollow(tmp_path / "clip.safetensors", {f"{FC1}.weight": (16, 8)})
    lora = save_lora(tmp_path / "a.safetensors", pair(TEXT_LAYER, 16, 8))
    inside, beside = (
        json_of(capsys, "verdict", lora, "--model", checkpoint, *more)[0] for more in ([], ["--clip", clip])
    )
    assert inside["misfits"]
    assert beside["misfits"] == []
    assert beside["targets"][TEXT_LAYER]["key"] == f"clip_l.transformer.{FC1}.weight"


def test_a_model_in_shards(tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tensors = load_file(checkpoint)
    keys = list(tensors)
    names = [f"model-{n:05}-of-00002.safetensors" for n in (1, 2)]
    for name, part in zip(names, (keys[::2], keys[1::2]), strict=True):
        save_lora(tmp_path / name, {key: tensors[key] for key in part})
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {keys[0]: names[0], keys[1]: names[1]}}))
    lora = write_ink(tmp_path)
    whole, *split = (
        json_of(capsys, "verdict", lora, "--model", model)
        for model in (checkpoint, tmp_path / names[1], index)
    )
    assert split == [whole, whole]
    index.write_text("[]")
    assert main(["verdict", str(lora), "--model", str(index)]) == 2
    assert "no 'weight_map'" in capsys.readouterr().err


@pytest.mark.parametrize("prefix", ["", "diffusion_model.", "model.diffusion_model."])
def test_a_model_alone_with_any_prefix(
    prefix: str, tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inside = {key: t for key, t in load_file(checkpoint).items() if key.startswith("model.diffusion_model.")}
    bare = {prefix + key.removeprefix("model.diffusion_model."): tensor for key, tensor in inside.items()}
    more = {f"{prefix}input_blocks.{n}.0.in_layers.2.weight": torch.zeros(8, 8, 3, 3) for n in range(3, 6)}
    model = save_lora(tmp_path / "bare.safetensors", bare, more)
    lora = save_lora(tmp_path / "a.safetensors", pair(UNET_LAYER, 8, 8))
    (found,) = json_of(capsys, "verdict", lora, "--model", model)
    assert found["targets"][UNET_LAYER]["key"] == MODEL_Q


def test_neither_torch_nor_numpy_is_loaded(tmp_path: Path, checkpoint: Path) -> None:
    """They take more time and memory than all the rest."""
    lora = write_ink(tmp_path)
    program = (
        "import runpy, sys\n"
        "try:\n"
        "    runpy.run_module('lora_core', run_name='__main__', alter_sys=True)\n"
        "except SystemExit as stop:\n"
        "    print(stop.code, *{'torch._C', 'numpy', 'safetensors'} & sys.modules.keys())\n"
    )
    command = [sys.executable, "-c", program, "verdict", str(lora), "--model", str(checkpoint)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0", done.stdout + done.stderr


def test_size_of_the_files_does_not_matter(tmp_path: Path) -> None:
    """A 200 MB LoRA on a 12 GB checkpoint, as holes: reading any of it would take far longer."""
    shapes = {
        f"input_blocks.{n}.1.transformer_blocks.{d}.attn{a}.to_{part}": (640, 2048 if a == 2 else 640)
        for n in (4, 5, 7, 8)
        for d in range(10)
        for a in (1, 2)
        for part in "qkv"
    } | {"input_blocks.0.0": (320, 4, 3, 3)}
    checkpoint = hollow(
        tmp_path / "model.safetensors",
        {f"model.diffusion_model.{key}.weight": shape for key, shape in shapes.items()},
        12_000_000_000,
    )
    factors = {
        f"lora_unet_{key.replace('.', '_')}.{suffix}.weight": size
        for key, (out, inner, *_) in shapes.items()
        for suffix, size in (("lora_up", (out, 128)), ("lora_down", (128, inner)))
        if key != "input_blocks.0.0"
    }
    lora = hollow(tmp_path / "a.safetensors", factors, 80_000_000)
    done = subprocess.run(
        [sys.executable, "-m", "lora_core", "verdict", str(lora), "--model", str(checkpoint), "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    (found,) = json.loads(done.stdout)
    assert found["matched"] == found["layers"] == len(shapes) - 1
