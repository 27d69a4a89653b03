"""A stack saved as one file does what the stack does; a smaller one is the best of its size."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save
from small_files import TEXT_LAYER, UNET_LAYER, json_of, pair, random, save_lora
from torch import Tensor

from lora_core.changes import WeightChange
from lora_core.cli import main
from lora_core.saving import spectral
from lora_core.saving.compress import ranks_for_size

EXACT = 5e-7  # of the weight's scale: float32 rounded in another order


CONV = "lora_unet_input_blocks_1_0_in_layers_2"


def _baked(checkpoint: Path, out: Path, *stack: object) -> Mapping[str, Tensor]:
    words = [*map(str, stack), "--into", str(checkpoint), "--out", str(out), "--dtype", "fp32", "--force"]
    assert main(["merge", *words]) == 0
    return load_file(out)


def _assert_same(one: Mapping[str, Tensor], other: Mapping[str, Tensor], within: float = EXACT) -> None:
    assert one.keys() == other.keys()
    for key, tensor in one.items():
        scale = float(tensor.abs().max()) or 1.0
        assert float((tensor - other[key]).abs().max()) <= within * scale, key


def _files(folder: Path) -> dict[str, Path]:
    """One file of every kind that adds to a weight, on a matrix; the plain one on a convolution and a text
    encoder too.
    """
    halves = [(f"w{n}_{side}", shape) for n in (1, 2) for side, shape in (("a", (8, 1)), ("b", (1, 8)))]
    loha = {f"{UNET_LAYER}.hada_{half}": random(*shape) for half, shape in halves}
    kinds = {
        "plain": {
            **pair(UNET_LAYER, 8, 8),
            **pair(TEXT_LAYER, 32, 8),
            f"{TEXT_LAYER}.alpha": torch.tensor(1.0),
            f"{CONV}.lora_up.weight": random(8, 2, 1, 1),
            f"{CONV}.lora_down.weight": random(2, 8, 3, 3),
        },
        "loha": loha,
        "lokr": {f"{UNET_LAYER}.lokr_w1": random(2, 2), f"{UNET_LAYER}.lokr_w2": random(4, 4)},
        "lokr_of_products": {
            f"{UNET_LAYER}.lokr_w1": random(2, 2),
            f"{UNET_LAYER}.lokr_w2_a": random(4, 1),
            f"{UNET_LAYER}.lokr_w2_b": random(1, 4),
        },
        "difference": {f"{UNET_LAYER}.diff": random(8, 8)},
    }
    return {name: save_lora(folder / f"{name}.safetensors", tensors) for name, tensors in kinds.items()}


# lossless


def test_a_saved_stack_does_what_the_stack_does(checkpoint: Path, tmp_path: Path) -> None:
    stack = [f"{file}:{0.3 + 0.1 * n}:{0.7 - n}" for n, file in enumerate(_files(tmp_path).values())]
    out = tmp_path / "one.safetensors"
    assert main(["save", *stack, "--out", str(out)]) == 0
    _assert_same(_baked(checkpoint, tmp_path / "a.st", *stack), _baked(checkpoint, tmp_path / "b.st", out))


@pytest.mark.parametrize("naming", ["as is", "ComfyUI", "kohya", "diffusers"])
def test_it_does_so_in_every_naming(checkpoint: Path, tmp_path: Path, naming: str) -> None:
    stack = [f"{file}:{0.5}" for file in _files(tmp_path).values()]
    out = tmp_path / "one.safetensors"
    words = ["--out", str(out), "--model", str(checkpoint), "--naming", naming]
    assert main(["save", *stack, *words]) == 0
    _assert_same(_baked(checkpoint, tmp_path / "a.st", *stack), _baked(checkpoint, tmp_path / "b.st", out))
    begins = {"ComfyUI": "diffusion_model.", "kohya": "lora_unet_down_blocks", "diffusers": "unet."}
    if naming in begins:
        assert any(key.startswith(begins[naming]) for key in load_file(out))


def test_block_and_element_weights_are_in_it(checkpoint: Path, tmp_path: Path) -> None:
    files = _files(tmp_path)
    tags = "<lora:plain:0.8:lbw=IN01=0.25>", "<lora:loha:1:lbwe=IN01/attn1=-0.5>"
    out = tmp_path / "one.safetensors"
    loras = ["--loras", str(files["plain"].parent)]
    assert main(["save", *tags, *loras, "--out", str(out), "--model", str(checkpoint)]) == 0
    alone = tmp_path / "alone.safetensors"
    assert main(["save", *tags, *loras, "--out", str(alone)]) == 0
    expected = _baked(checkpoint, tmp_path / "a.st", *tags, *loras)
    _assert_same(expected, _baked(checkpoint, tmp_path / "b.st", out))
    _assert_same(expected, _baked(checkpoint, tmp_path / "c.st", alone))


def test_what_depends_on_the_weight_takes_the_model(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = save_lora(
        tmp_path / "ia3.safetensors",
        {f"{UNET_LAYER}.weight": random(8), f"{UNET_LAYER}.on_input": torch.tensor(False)},
    )
    out = tmp_path / "one.safetensors"
    assert main(["save", f"{file}:0.7", "--out", str(out)]) == 2
    assert "Name the model" in capsys.readouterr().err
    assert not out.exists()
    assert main(["save", f"{file}:0.7", "--out", str(out), "--model", str(checkpoint)]) == 0
    _assert_same(
        _baked(checkpoint, tmp_path / "a.st", f"{file}:0.7"), _baked(checkpoint, tmp_path / "b.st", out)
    )


# smaller


def test_a_rank_is_the_best_of_that_rank() -> None:
    up, down = random(40, 12), random(12, 30)
    change = WeightChange((40, 30), up, down)
    cut = spectral(change).cut(5)
    values = torch.linalg.svdvals(up @ down)
    error = torch.linalg.matrix_norm(up @ down - cut.full())
    assert float(error) == pytest.approx(float(values[5:].square().sum().sqrt()), rel=1e-4)
    assert spectral(change).lost(5) == pytest.approx(float(values[5:].square().sum()), rel=1e-4)


def test_sizes_are_kept_and_loss_is_told(
    tmp_path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    big = {
        f"{UNET_LAYER}.lora_up.weight": random(8, 8),
        f"{UNET_LAYER}.lora_down.weight": random(8, 8),
        f"{TEXT_LAYER}.lora_up.weight": random(32, 8),
        f"{TEXT_LAYER}.lora_down.weight": random(8, 8),
    }
    file = save_lora(tmp_path / "big.safetensors", big)
    whole = tmp_path / "whole.safetensors"
    found = json_of(capsys, "resize", file, "--rank", 2, "--out", whole)
    assert found["ranks"] == [2, 2]
    assert 0 < found["error"] < 1
    layers = (UNET_LAYER, TEXT_LAYER)
    products = [big[f"{layer}.lora_up.weight"] @ big[f"{layer}.lora_down.weight"] for layer in layers]
    lost = sum(float(torch.linalg.svdvals(product)[2:].square().sum()) for product in products)
    total = sum(float(product.square().sum()) for product in products)
    assert found["error"] == pytest.approx((lost / total) ** 0.5, rel=1e-3)
    most = json_of(capsys, "resize", file, "--max", "4kB", "--out", tmp_path / "max.safetensors")
    assert most["size_bytes"] <= 4000
    kept = json_of(capsys, "resize", file, "--keep", "0.9", "--out", tmp_path / "keep.safetensors")
    assert kept["error"] ** 2 <= 0.1 + 1e-6


def test_a_size_is_shared_out_by_what_each_number_keeps() -> None:
    strong = spectral(WeightChange((8, 8), 10 * random(8, 4), random(4, 8)))
    weak = spectral(WeightChange((8, 8), 0.01 * random(8, 4), random(4, 8)))
    assert ranks_for_size({"strong": strong, "weak": weak}, 4 * 16) == {"strong": 4, "weak": 0}
    assert ranks_for_size({"strong": strong, "weak": weak}, 8 * 16) == {"strong": 4, "weak": 4}


# what the file says


def test_its_hashes_are_kohyas(tmp_path: Path) -> None:
    file = _files(tmp_path)["plain"]
    out = tmp_path / "one.safetensors"
    assert main(["save", f"{file}:0.5", "--out", str(out)]) == 0
    with safe_open(out, "pt") as opened:
        metadata = opened.metadata()
    tensors = load_file(out)
    training = {key: value for key, value in metadata.items() if key.startswith("ss_")}
    content = save(tensors, training)
    start = 8 + int.from_bytes(content[:8], "little")
    assert metadata["sshs_model_hash"] == hashlib.sha256(content[start:]).hexdigest()
    assert metadata["sshs_legacy_hash"] == hashlib.sha256(content[0x100000:0x110000]).hexdigest()[:8]
    made_of = json.loads(metadata["lora_rack.made_of"])
    assert made_of == [{"name": "plain.safetensors", "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}]
    assert metadata["lora_rack.stack"] == "<lora:plain.safetensors:0.5>"


# bad input


def test_what_cannot_be_saved_is_refused_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = _files(tmp_path)["plain"]
    out = tmp_path / "out" / "one.safetensors"
    window = ["<lora:plain:1:start=0.2>", "--loras", str(tmp_path)]
    for words, message in (
        ([str(file), "--out", str(out)], "is no folder"),
        ([str(file), "--out", str(file), "--force"], "is one of the LoRAs"),
        ([str(file), "--out", str(file)], "exists already"),
        ([*window, "--out", str(tmp_path / "w.st")], "changes during the sampling"),
        ([str(file), "--naming", "kohya", "--out", str(tmp_path / "w.st")], "take a model"),
        ([f"{file}:0", "--out", str(tmp_path / "w.st")], "the stack is empty"),
    ):
        assert main(["save", *words]) == 2
        assert message in capsys.readouterr().err
    assert main(["save", *window, "--out", str(tmp_path / "w.st"), "--without-windows"]) == 0
    assert "was on from 0.2 to 1 of the sampling" in capsys.readouterr().err


def test_loras_of_two_families_are_not_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = _files(tmp_path)["plain"]
    other = save_lora(tmp_path / "flux.safetensors", pair("lora_unet_double_blocks_0_img_attn_qkv", 12, 4))
    assert main(["save", str(one), str(other), "--out", str(tmp_path / "x.st")]) == 2
    assert "another family" in capsys.readouterr().err


def test_numbers_no_dtype_holds_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    large = {key: value * 1000 for key, value in pair(UNET_LAYER, 8, 8).items()}
    file = save_lora(tmp_path / "large.safetensors", large)
    assert main(["save", f"{file}:1000", "--out", str(tmp_path / "x.st"), "--dtype", "fp16"]) == 2
    assert "Choose another dtype" in capsys.readouterr().err


def test_a_lora_that_grows_its_weight_is_refused_by_name(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grown = {**pair(UNET_LAYER, 8, 12), f"{UNET_LAYER}.reshape_weight": torch.tensor([8, 12])}
    file = save_lora(tmp_path / "grown.safetensors", grown)
    out = tmp_path / "x.st"
    assert main(["save", str(file), "--out", str(out), "--model", str(checkpoint)]) == 2
    assert "makes this weight larger" in capsys.readouterr().err
    assert not out.exists()
