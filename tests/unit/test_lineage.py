"""Files of a folder that are the same in one way or another are found, and nothing else is."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_files import json_of
from torch import Tensor

from lora_core.cli import main

LAYERS = {
    f"lora_unet_output_blocks_{n}_1_transformer_blocks_0_attn1_to_{part}": (48, 40)
    for n in range(3, 9)
    for part in ("q", "k")
}


def _tensors(seed: int, rank: int = 6) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    found: dict[str, Tensor] = {}
    for layer, (out, inner) in LAYERS.items():
        found[f"{layer}.lora_up.weight"] = torch.randn(out, rank, generator=generator)
        found[f"{layer}.lora_down.weight"] = torch.randn(rank, inner, generator=generator)
        found[f"{layer}.alpha"] = torch.tensor(rank / 2)
    return found


def _save(folder: Path, name: str, tensors: dict[str, Tensor], **metadata: str) -> Path:
    path = folder / f"{name}.safetensors"
    save_file(tensors, path, metadata=metadata or None)
    return path


def _groups(found: dict[str, Any]) -> dict[str, list[list[str]]]:
    groups: dict[str, list[list[str]]] = {}
    for group in found["groups"]:
        groups.setdefault(group["kind"], []).append(
            [member["path"].removesuffix(".safetensors") for member in group["members"]]
        )
    return groups


def test_every_kinship_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "loras"
    (folder / "deep").mkdir(parents=True)
    one = _tensors(1)
    first = _save(folder, "a", one)
    shutil.copy(first, folder / "deep" / "a.safetensors")
    _save(folder, "b_other_words", one, title="another")
    _save(folder, "stranger", _tensors(2))
    # The same change at half the strength, of another rank and number format, in another spelling.
    assert main(["save", f"{first}:0.5", "--out", str(folder / "c_half.safetensors")]) == 0
    full = {f"{layer}.diff": _change(one, layer) for layer in LAYERS}
    _save(folder, "d_difference", full)
    assert main(["resize", str(first), "--keep", "0.9", "--out", str(folder / "e_small.safetensors")]) == 0
    capsys.readouterr()
    found = json_of(capsys, "same", folder)
    assert found["files"] == 7
    groups = _groups(found)
    assert groups == {
        "content": [["a", "deep/a"]],
        "tensors": [["a", "b_other_words"]],
        "change": [["a", "c_half", "d_difference"]],
        "near": [["a", "e_small"]],
    }
    same = next(group for group in found["groups"] if group["kind"] == "change")
    strengths = {member["path"]: member["strength"] for member in same["members"]}
    assert strengths["c_half.safetensors"] == pytest.approx(0.5, rel=1e-4)
    assert strengths["d_difference.safetensors"] == pytest.approx(1, rel=1e-4)


def _change(tensors: dict[str, Tensor], layer: str) -> Tensor:
    return tensors[f"{layer}.lora_up.weight"] @ tensors[f"{layer}.lora_down.weight"] / 2


def test_epochs_of_one_training_come_in_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start, end = _tensors(1), _tensors(2)
    for epoch in (3, 1, 2):
        mixed = {key: start[key] + (end[key] - start[key]) * 0.1 * epoch for key in start}
        _save(
            tmp_path,
            f"ink-{epoch}",
            mixed,
            ss_session_id="77",
            ss_epoch=str(epoch),
            ss_steps=str(100 * epoch),
        )
    _save(tmp_path, "stranger", _tensors(3), ss_session_id="78")
    assert _groups(json_of(capsys, "same", tmp_path)) == {"training": [["ink-1", "ink-2", "ink-3"]]}
    assert main(["same", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "ink-2.safetensors (cosine 0.9" in said
    assert "epoch 2, 200 steps" in said


def test_files_without_relation_are_in_no_group(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in range(20):
        _save(tmp_path, f"{seed}", _tensors(seed))
    found = json_of(capsys, "same", tmp_path)
    assert found == {"files": 20, "groups": [], "problems": {}}


def test_a_change_trained_on_is_related(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start, other = _tensors(1), _tensors(2)
    _save(tmp_path, "a", {f"{layer}.diff": _change(start, layer) for layer in LAYERS})
    further = {f"{layer}.diff": _change(start, layer) + _change(other, layer) for layer in LAYERS}
    _save(tmp_path, "b", further)
    found = json_of(capsys, "same", tmp_path)
    assert _groups(found) == {"related": [["a", "b"]]}
    assert found["groups"][0]["members"][1]["cosine"] == pytest.approx(0.71, abs=0.12)


def test_nothing_is_written_and_bad_files_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = _save(tmp_path, "a", _tensors(1))
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert main(["same", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "1 LoRAs looked at, 0 groups" in said.out
    assert "broken.safetensors" in said.err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert load_file(file)
    assert main(["same", str(tmp_path / "none")]) == 2
    assert "is not a folder" in capsys.readouterr().err
