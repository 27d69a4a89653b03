"""inspect, keys and diff, run as a person would, and the program around them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_files import FC1, TEXT_LAYER, UNET_LAYER, Q, json_of, pair, random, save_lora
from torch import Tensor

from lora_core.adapters.low_rank import LowRank
from lora_core.cli import main
from lora_core.cli.output import ProgressBar, size_text, table
from lora_core.reading import read_file, read_header
from lora_core.reading.partial import PartialLora
from lora_core.reading.stream import TensorReader

ROOT = Path(__file__).resolve().parents[2]


# inspect, keys


def test_inspect_says_what_a_lora_is(ink: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ink.with_suffix(".json").write_text('{"activation text": "ink wash, brush"}', encoding="utf-8")
    (found,) = json_of(capsys, "inspect", ink, "--hashes")
    assert found["kind"] == "LoRA"
    assert found["ranks"] == {"2": 2}
    assert (found["layers"], found["layers_model"], found["layers_text_encoder"]) == (2, 1, 1)
    assert found["trigger_words"] == ["ink wash", "brush"]
    assert found["hashes"]["autov2"] == found["hashes"]["sha256"][:10]
    assert main(["inspect", str(ink)]) == 0
    text = capsys.readouterr().out
    assert "ss_output_name" in text
    assert "ink wash, brush" in text


def test_inspect_says_what_a_checkpoint_is(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (found,) = json_of(capsys, "inspect", checkpoint)
    assert found["kind"] == "checkpoint"
    assert found["family"] == "Stable Diffusion 1"
    assert found["text_encoders"] == ["clip_l"]
    assert (found["tensors_model"], found["tensors_text_encoder"]) == (6, 2)


def test_a_file_that_cannot_be_used_keeps_no_other_out(ink: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(ink), "gone.safetensors", str(ink), "--json"]) == 2
    told = capsys.readouterr()
    assert [found["path"] for found in json.loads(told.out)] == [str(ink)] * 2
    assert told.err.startswith("error: gone.safetensors: cannot be opened")


def test_letters_the_terminal_has_not_are_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_lora(tmp_path / "a.safetensors", {"\u540d.diff": torch.ones(1)})
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(["keys", str(path)]) == 0
    terminal.seek(0)
    assert "\\u540d.diff" in terminal.read()


def test_inspect_reads_pickles_safely(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "old.pt"
    torch.save(pair("lora_unet_x", 4, 4), path)
    (found,) = json_of(capsys, "inspect", path)
    assert found["layers"] == 1


def test_an_alpha_of_two_dimensions_is_read_by_itself(tmp_path: Path, checkpoint: Path) -> None:
    alpha = {f"{UNET_LAYER}.alpha": torch.ones(1, 1)}
    path = save_lora(tmp_path / "a.safetensors", pair(UNET_LAYER, 8, 8), alpha)
    out = tmp_path / "out.safetensors"
    assert main(["merge", str(path), "--into", str(checkpoint), "--out", str(out)]) == 0
    before, after, lora = load_file(checkpoint), load_file(out), load_file(path)
    key = f"model.diffusion_model.{Q}.weight"
    change = lora[f"{UNET_LAYER}.lora_up.weight"] @ lora[f"{UNET_LAYER}.lora_down.weight"]
    assert torch.equal(after[key], (before[key].float() + 0.5 * change).half())


def test_no_large_tensor_is_read_to_say_what_a_file_is(tmp_path: Path) -> None:
    more = {"lora_unet_y.packed": torch.zeros(64, dtype=torch.uint8)}
    path = save_lora(tmp_path / "a.safetensors", pair("lora_unet_x", 4, 6), more)
    outline = PartialLora(path).outline
    (adapter,) = outline.layers["lora_unet_x"]
    assert isinstance(adapter, LowRank)
    assert [t.is_meta for t in (adapter.up, adapter.down, *outline.leftovers.values())] == [True] * 3


def test_keys_marks_what_it_does_not_know(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = save_lora(tmp_path / "a.safetensors", pair("lora_unet_x", 4, 6), {"what.ever": torch.zeros(())})
    rows = {row["key"]: row for row in json_of(capsys, "keys", path)}
    assert rows["lora_unet_x.lora_up.weight"]["role"] == "up"
    assert rows["lora_unet_x.lora_up.weight"]["shape"] == [4, 2]
    assert rows["what.ever"]["role"] is None
    assert main(["keys", str(path)]) == 0
    text = capsys.readouterr().out
    assert "4×2" in text
    assert any(line.startswith("what.ever") and line.endswith("?") for line in text.splitlines())


def test_dtypes_of_packed_models_are_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those the safetensors library writes, beyond what a LoRA is made of."""
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(2, dtype=torch.uint16), "b": torch.zeros(2, dtype=torch.complex64)}, path)
    assert {row["key"]: row["dtype"] for row in json_of(capsys, "keys", path)} == {"a": "U16", "b": "C64"}


# diff


def _spelled(ink: Path, path: Path, factor: float = 1.0) -> Path:
    """The same LoRA in diffusers' names and with alpha folded into the factors."""
    stored = load_file(ink)
    unet, text = UNET_LAYER, TEXT_LAYER
    theirs = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    tensors = {
        f"{theirs}.lora_B.weight": stored[f"{unet}.lora_up.weight"] * factor,
        f"{theirs}.lora_A.weight": stored[f"{unet}.lora_down.weight"],
        f"text_encoder.{FC1}.lora_B.weight": stored[f"{text}.lora_up.weight"] * 0.5,
        f"text_encoder.{FC1}.lora_A.weight": stored[f"{text}.lora_down.weight"],
    }
    return save_lora(path, tensors)


def test_diff_sees_through_spelling(ink: Path, tmp_path: Path, checkpoint: Path) -> None:
    other = _spelled(ink, tmp_path / "other.safetensors")
    assert main(["diff", str(ink), str(other)]) == 0
    assert main(["diff", str(ink), str(other), "--model", str(checkpoint)]) == 0
    assert main(["diff", str(ink), str(other), "--tensors"]) == 1


def test_diff_measures(ink: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json_of(capsys, "diff", ink, _spelled(ink, tmp_path / "other.safetensors", 1.1))
    assert found["differing"] == 1
    (difference,) = found["differences"]
    assert difference["largest"] == pytest.approx(0.1 / 1.1, rel=1e-3)
    assert difference["mean"] == pytest.approx(0.1 / 1.1, rel=1e-3)


def test_diff_allows_loras_for_rounding_and_files_for_nothing(ink: Path, tmp_path: Path) -> None:
    near = str(_spelled(ink, tmp_path / "near.safetensors", 1 + 1e-6))
    assert main(["diff", str(ink), near]) == 0
    assert main(["diff", str(ink), near, "--tolerance", "0"]) == 1
    a, b = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_file({"a": torch.ones(2)}, a)
    save_file({"a": torch.ones(2) * (1 + 1e-6)}, b)
    assert main(["diff", str(a), str(b)]) == 1
    assert main(["diff", str(a), str(b), "--tolerance", "1e-5"]) == 0


@pytest.mark.parametrize(
    ("a", "b", "largest"),
    [
        (torch.tensor([2**40]), torch.tensor([2**40 + 1]), 1 / (2**40 + 1)),
        (torch.tensor([1.0, torch.nan]), torch.tensor([1.0, torch.nan]), 0),
        (torch.tensor([1.0, torch.inf]), torch.tensor([2.0, torch.inf]), 0.5),
        (torch.tensor([1.0, torch.nan]), torch.tensor([1.0, 2.0]), None),
        (torch.tensor([torch.inf]), torch.tensor([-torch.inf]), None),
        (torch.tensor([1 + 0j]), torch.tensor([0 + 1j]), 1),
    ],
)
def test_diff_of_odd_numbers(
    a: Tensor, b: Tensor, largest: float | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Any two that differ are told apart, and the JSON is JSON: null for what is infinitely far."""
    paths = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    for path, tensor in zip(paths, (a, b), strict=True):
        save_file({"x": tensor}, path)
    code = main(["diff", *map(str, paths), "--all", "--json"])
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert found["differences"][0]["largest"] == largest
    assert (code, found["differing"]) == ((0, 0) if largest == 0.0 else (1, 1))


def test_diff_on_scaled_float8_is_on_the_weights_it_stands_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layer = "diffusion_model.blocks.0.self_attn.q"
    stored, scale = random(16, 16).to(torch.float8_e4m3fn), torch.tensor([0.02])
    added = save_lora(tmp_path / "a.safetensors", pair(layer, 16, 16, ("lora_B", "lora_A")))
    turned = save_lora(tmp_path / "b.safetensors", {f"{layer}.oft_blocks": random(4, 4, 4)})
    filling = {f"model.diffusion_model.pad.{n}.weight": torch.zeros(1) for n in range(6)}
    found = []
    for tensors in (
        {f"model.{layer}.weight": stored, f"model.{layer}.scale_weight": scale},
        {f"model.{layer}.weight": stored.float() * scale},
    ):
        save_file({**filling, **tensors}, tmp_path / "model.safetensors")
        found.append(json_of(capsys, "diff", added, turned, "--model", tmp_path / "model.safetensors"))
    assert found[0]["largest"] == pytest.approx(found[1]["largest"], rel=1e-4)
    assert found[0]["mean"] == pytest.approx(found[1]["mean"], rel=1e-4)


def test_a_pickle_where_safetensors_is_needed_is_told_as_one(
    ink: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model.ckpt"
    torch.save(load_file(ink), path)
    assert main(["merge", str(ink), "--into", str(path), "--out", str(tmp_path / "out")]) == 2
    assert "is a pickled file" in capsys.readouterr().err


def test_diff_of_files_by_tensor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_file({"same": random(4), "shape": random(4), "dtype": random(4), "a": random(1)}, a)
    save_file({"same": random(4), "shape": random(5), "dtype": random(4).double(), "b": random(1)}, b)
    found = json_of(capsys, "diff", a, b)
    assert (found["only_in_a"], found["only_in_b"], found["other_shape"], found["other_dtype"]) == (
        1,
        1,
        1,
        1,
    )
    assert found["compared"] == 5
    assert found["differing"] == 4
    assert main(["diff", str(a), str(a)]) == 0


# the program


def test_the_program_runs_without_the_host(ink: Path) -> None:
    code = "import sys, lora_core.cli; print(sorted({m.partition('.')[0] for m in sys.modules}))"
    command = [sys.executable, "-c", code]
    modules = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "'comfy'" not in modules
    assert "'nodes'" not in modules
    command = [sys.executable, "-m", "lora_core", "inspect", str(ink)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(str(ink))
    assert done.stderr == ""


@pytest.mark.parametrize("arguments", [[], ["polish"], ["inspect"], ["merge", "--out", "x"]])
def test_wrong_use_is_code_2(arguments: Iterable[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    assert caught.value.code == 2


def test_the_bar_is_drawn_where_asked(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar(None, sys.stderr) as bar:
        bar(1, 2)
    assert capsys.readouterr().err == ""
    with ProgressBar(True, sys.stderr) as bar:
        bar(512, 1024)
        bar(1024, 1024)
        bar(1024, 1024)  # a tensor of no bytes comes last
    drawn = capsys.readouterr().err
    assert " 50%" in drawn
    assert drawn.endswith("\n")
    assert drawn.count("\n") == 1
    assert "100%" in drawn


def test_an_error_does_not_stand_in_the_bars_line(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lora = save_lora(tmp_path / "a.safetensors", {f"{UNET_LAYER}.diff": torch.full((8, 8), torch.nan)})
    arguments = ["merge", str(lora), "--into", str(checkpoint), "--out", str(tmp_path / "out.safetensors")]
    assert main([*arguments, "--progress"]) == 2
    assert "\nerror: " in capsys.readouterr().err


def test_small_things() -> None:
    assert [size_text(n) for n in (0, 2048, 3 * 2**20, 5 * 2**30)] == ["0 B", "2.0 KiB", "3.0 MiB", "5.0 GiB"]
    assert table([("a", "bb"), ("ccc", "d")]) == "a    bb\nccc  d"


def test_a_copied_tensor_is_the_same_bytes(checkpoint: Path, tmp_path: Path) -> None:
    header = read_header(checkpoint)
    copied = tmp_path / "bytes"
    with TensorReader(header) as reader, copied.open("wb") as file:
        for key in header.tensors:
            reader.copy(key, file)
    assert copied.read_bytes() == checkpoint.read_bytes()[header.data_offset :]


@pytest.mark.parametrize("length", [0x0280, 0x0580])
def test_a_header_as_long_as_a_pickle_begins_is_no_pickle(length: int, tmp_path: Path) -> None:
    path = save_lora(tmp_path / "a.safetensors", pair("lora_unet_x", 4, 4))
    header = read_header(path)
    text = path.read_bytes()[8 : header.data_offset].rstrip()
    padded = length.to_bytes(8, "little") + text.ljust(length)
    path.write_bytes(padded + path.read_bytes()[header.data_offset :])
    assert main(["inspect", str(path)]) == 0
    assert len(read_file(path).tensors) == 2
