"""Overlap is what the changes themselves have in common, and a balanced stack keeps every block in bounds."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from small_files import TEXT_LAYER, UNET_LAYER, json_of, pair, random, save_lora
from torch import Tensor

from lora_core.cli import main
from lora_core.grammar import parse

CONV = "lora_unet_input_blocks_1_0_in_layers_2"
OTHER_CONV = "lora_unet_input_blocks_2_0_in_layers_2"
WITHIN = 2e-4  # of the norms: differences of float32 weights, which are what the numbers are compared with


def _files(folder: Path) -> dict[str, Path]:
    """One LoRA of every kind of change: factors, products of factors, differences, and of the weight."""
    halves = [(f"w{n}_{side}", shape) for n in (1, 2) for side, shape in (("a", (8, 1)), ("b", (1, 8)))]
    kinds: dict[str, dict[str, Tensor]] = {
        "plain": {
            **pair(UNET_LAYER, 8, 8),
            **pair(TEXT_LAYER, 32, 8),
            f"{CONV}.lora_up.weight": random(8, 2, 1, 1),
            f"{CONV}.lora_down.weight": random(2, 8, 3, 3),
        },
        "second": {
            f"{UNET_LAYER}.lora_up.weight": random(8, 4),
            f"{UNET_LAYER}.lora_down.weight": random(4, 8),
            f"{OTHER_CONV}.lora_up.weight": random(8, 3, 1, 1),
            f"{OTHER_CONV}.lora_down.weight": random(3, 8, 3, 3),
        },
        "loha": {f"{UNET_LAYER}.hada_{half}": random(*shape) for half, shape in halves},
        "lokr": {f"{UNET_LAYER}.lokr_w1": random(2, 2), f"{UNET_LAYER}.lokr_w2": random(4, 4)},
        "difference": {f"{UNET_LAYER}.diff": random(8, 8), f"{TEXT_LAYER}.diff": random(32, 8)},
        "ia3": {f"{UNET_LAYER}.weight": random(8), f"{UNET_LAYER}.on_input": torch.tensor(False)},
    }
    return {name: save_lora(folder / f"{name}.safetensors", tensors) for name, tensors in kinds.items()}


def _changes(checkpoint: Path, folder: Path, item: str) -> dict[str, Tensor]:
    """ΔW of one row, as the difference of two checkpoints."""
    out = folder / "baked.safetensors"
    assert (
        main(["merge", item, "--into", str(checkpoint), "--out", str(out), "--dtype", "fp32", "--force"]) == 0
    )
    before, after = load_file(checkpoint), load_file(out)
    return {
        key: (after[key] - before[key].float()).double() for key in before if before[key].is_floating_point()
    }


def _block_of(key: str) -> str:
    if "input_blocks" in key:
        return f"IN{int(key.split('.')[3]):02d}"
    return "text"


def _norm(changes: Mapping[str, Tensor], block: str) -> float:
    return sum(float(t.square().sum()) for key, t in changes.items() if _block_of(key) == block) ** 0.5


def _product(one: Mapping[str, Tensor], other: Mapping[str, Tensor], block: str) -> float:
    return sum(float((one[key] * other[key]).sum()) for key in one if _block_of(key) == block)


def _blocks(found: Mapping[str, Any]) -> dict[str, Any]:
    """The blocks of a result by id, those of the text encoder under one name."""
    return {b["block"] if b["block"].startswith("IN") else "text": b for b in found["blocks"]}


def test_norms_and_cosines_are_those_of_the_changes(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    items = [f"{file}:{0.5 + 0.2 * n}:{0.9 - 0.1 * n}" for n, file in enumerate(_files(tmp_path).values())]
    changes = [_changes(checkpoint, tmp_path, item) for item in items]
    capsys.readouterr()
    found = json_of(capsys, "overlap", *items, "--model", checkpoint)
    assert found["not_measured"] == {}
    blocks = _blocks(found)
    assert set(blocks) == {"IN01", "IN02", "text"}
    for name, block in blocks.items():
        norms = [_norm(change, name) for change in changes]
        assert block["norms"] == pytest.approx(norms, rel=WITHIN, abs=WITHIN)
        total = {key: sum(change[key] for change in changes) for key in changes[0]}
        assert block["total"] == pytest.approx(_norm(total, name), rel=WITHIN)
        cosines = {tuple(pair["loras"]): pair["cosine"] for pair in block["cosines"]}
        for one, other in combinations(range(len(items)), 2):
            if norms[one] < WITHIN or norms[other] < WITHIN:
                assert cosines[one, other] is None
                continue
            cosine = _product(changes[one], changes[other], name) / (norms[one] * norms[other])
            assert cosines[one, other] == pytest.approx(cosine, abs=WITHIN)


def test_changes_are_in_parts_of_the_weights_they_change(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = _files(tmp_path)["second"]
    changes = _changes(checkpoint, tmp_path, f"{file}:0.5")
    capsys.readouterr()
    found = _blocks(json_of(capsys, "overlap", f"{file}:0.5", "--model", checkpoint))
    weight = load_file(checkpoint)["model.diffusion_model.input_blocks.2.0.in_layers.2.weight"].float()
    part = _norm(changes, "IN02") / float(weight.norm())
    assert found["IN02"]["relative"] == pytest.approx(part, rel=1e-3)
    assert found["IN02"]["balance"] == 1


def test_names_alone_tell_the_same_but_for_what_depends_on_weights(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = _files(tmp_path)
    stack = [f"{files[name]}:{0.5}" for name in ("plain", "second", "loha", "lokr", "difference")]
    alone = _blocks(json_of(capsys, "overlap", *stack))
    on_model = _blocks(json_of(capsys, "overlap", *stack, "--model", checkpoint))
    assert alone.keys() == on_model.keys()
    for name, block in alone.items():
        assert block["total"] == pytest.approx(on_model[name]["total"], rel=1e-5)
        assert block["relative"] is None
    found = json_of(capsys, "overlap", files["plain"], files["ia3"])
    assert list(found["not_measured"].values()) == [1]
    assert main(["overlap", str(files["plain"]), str(files["ia3"])]) == 0
    assert "depends on the model; connect one" in capsys.readouterr().out


@pytest.mark.parametrize("blocks", ["", ":lbw=IN01=0.25", ":lbw=*=0.5 IN02=-1:lbwe=*/attn1=0.3"])
def test_a_balanced_block_changes_no_more_than_its_strongest_row_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], blocks: str
) -> None:
    _files(tmp_path)
    tags = [f"<lora:plain:1.5{blocks}>", "<lora:second:unet=1.25:te=1>", "<lora:difference:0.4>"]
    before = json_of(capsys, "overlap", *tags, "--loras", tmp_path)
    after = json_of(capsys, "overlap", before["balanced"], "--loras", tmp_path)
    assert any(block["balance"] < 1 for block in before["blocks"])
    for one, other in zip(before["blocks"], after["blocks"], strict=True):
        strongest = max(one["norms"])
        assert other["total"] <= strongest * (1 + 1e-6)
        assert other["total"] >= min(one["total"], strongest) * 0.99
        # The rows keep their ratio.
        assert other["norms"] == pytest.approx([norm * one["balance"] for norm in one["norms"]], rel=1e-5)


def test_one_factor_for_all_blocks_is_a_strength(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "two"):
        save_lora(tmp_path / f"{name}.safetensors", pair(UNET_LAYER, 8, 8))
    found = json_of(capsys, "overlap", "<lora:one:1.5>", "<lora:two:1.5>", "--loras", tmp_path)
    assert found["balanced"] == "<lora:one:0.75>\n<lora:two:0.75>"
    assert found["worst"] == [{"block": "IN01", "loras": [0, 1], "cosine": pytest.approx(1)}]
    against = json_of(capsys, "overlap", "<lora:one:1>", "<lora:two:-1>", "--loras", tmp_path)
    assert against["balanced"] == "<lora:one:1>\n<lora:two:-1>"
    assert against["worst"][0]["cosine"] == pytest.approx(-1)


def test_rows_that_are_on_at_other_times_are_not_in_each_others_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        save_lora(tmp_path / f"{name}.safetensors", pair(UNET_LAYER, 8, 8))
    tags = ["<lora:one:1:stop=0.5>", "<lora:two:1:start=0.5>"]
    found = json_of(capsys, "overlap", *tags, "--loras", tmp_path)
    assert found["worst"] == []
    assert found["whole"]["excess"] == pytest.approx(1)
    assert parse(found["balanced"]) == parse("\n".join(tags))


def test_the_balanced_stack_is_written_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = save_lora(tmp_path / "one.safetensors", pair(UNET_LAYER, 8, 8))
    out = tmp_path / "stack.txt"
    words = ["overlap", str(one), str(one), "--out", str(out)]
    assert main(words) == 0
    assert out.read_text(encoding="utf-8") == "<lora:one.safetensors:0.5>\n<lora:one.safetensors:0.5>\n"
    assert main(words) == 2
    assert "exists already" in capsys.readouterr().err


def test_what_cannot_be_measured_together_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = save_lora(tmp_path / "one.safetensors", pair(UNET_LAYER, 8, 8))
    flux = save_lora(tmp_path / "flux.safetensors", pair("lora_unet_double_blocks_0_img_attn_qkv", 12, 4))
    wide = save_lora(tmp_path / "wide.safetensors", pair(UNET_LAYER, 16, 8))
    large = {key: tensor * 1e30 for key, tensor in pair(UNET_LAYER, 8, 8).items()}
    huge = save_lora(tmp_path / "huge.safetensors", large)
    for words, message in (
        ([str(one), str(flux)], "another family"),
        ([str(one), str(wide)], "another shape"),
        ([str(one), str(huge)], "not finite"),
        ([f"{one}:0"], "the stack is empty"),
        ([str(tmp_path / "none.safetensors")], "cannot be opened"),
    ):
        assert main(["overlap", *words]) == 2
        assert message in capsys.readouterr().err
