"""A LoRA taken from two checkpoints gives the one out of the other; one split in two does what it did."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from small_files import FC1, TEXT_LAYER, UNET_LAYER, Q, json_of, pair, random, save_lora
from torch import Tensor

from lora_core.cli import main
from lora_core.saving.compress import leading, leading_for_energy

CONV = "model.diffusion_model.input_blocks.1.0.in_layers.2"
NORM = "model.diffusion_model.input_blocks.1.0.in_layers.0"
ENCODER_NORM = "cond_stage_model.transformer.text_model.encoder.layers.0.layer_norm1"
SAME = 1e-6  # of a weight's scale


@pytest.fixture
def base(checkpoint: Path, tmp_path: Path) -> Path:
    """The small checkpoint in float32, with norms and biases, so that nothing is rounded."""
    tensors = {k: t.float() if t.is_floating_point() else t for k, t in load_file(checkpoint).items()}
    tensors |= {f"{name}.{end}": random(8) for name in (NORM, ENCODER_NORM) for end in ("weight", "bias")}
    tensors[f"{CONV}.bias"] = random(8)
    path = tmp_path / "base.safetensors"
    save_file(tensors, path)
    return path


def _tuned(base: Path, changes: Mapping[str, Tensor]) -> Path:
    tensors = load_file(base)
    for key, change in changes.items():
        tensors[key] = tensors[key] + change
    path = base.with_name("tuned.safetensors")
    save_file(tensors, path, metadata={"modelspec.architecture": "stable-diffusion-v1"})
    return path


def _changes() -> dict[str, Tensor]:
    """Changes of rank 3 at most, so that a LoRA of that rank is all of them."""
    low = random(8, 3) @ random(3, 8)
    return {
        f"model.diffusion_model.{Q}.weight": low,
        f"{CONV}.weight": (random(8, 3) @ random(3, 72)).view(8, 8, 3, 3),
        f"{CONV}.bias": random(8) * 0.1,
        f"{NORM}.weight": random(8) * 0.2,
        f"cond_stage_model.transformer.{FC1}.weight": random(32, 2) @ random(2, 8),
        f"{ENCODER_NORM}.bias": random(8) * 0.3,
    }


@pytest.mark.parametrize("size", [("--rank", "3"), ("--keep", "1"), ("--max", "1MiB")])
@pytest.mark.parametrize("naming", ["ComfyUI", "kohya"])
def test_the_base_with_the_lora_is_the_tuned_checkpoint(
    base: Path, tmp_path: Path, size: tuple[str, str], naming: str
) -> None:
    tuned = _tuned(base, _changes())
    out, merged = tmp_path / "lora.safetensors", tmp_path / "merged.safetensors"
    assert main(["extract", str(tuned), str(base), *size, "--naming", naming, "--out", str(out)]) == 0
    assert main(["merge", str(out), "--into", str(base), "--out", str(merged)]) == 0
    expected, found = load_file(tuned), load_file(merged)
    for key, tensor in expected.items():
        assert torch.allclose(tensor.float(), found[key].float(), atol=SAME * 30), key
    kept = load_file(out)
    assert not any("attn2" in key for key in kept), "what is the same in both is not in the LoRA"
    with safe_open(out, "pt") as opened:
        said = opened.metadata()
    assert json.loads(said["lora_rack.extracted"]) == {"tuned": tuned.name, "base": base.name}
    assert said["modelspec.architecture"] == "stable-diffusion-v1/lora"


def test_a_lower_rank_is_the_best_and_its_error_is_told(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change = random(8, 8)
    tuned = _tuned(base, {f"model.diffusion_model.{Q}.weight": change})
    out = tmp_path / "lora.safetensors"
    found = json_of(capsys, "extract", tuned, base, "--rank", 2, "--out", out)
    values = torch.linalg.svdvals(change.double())
    assert found["error"] == pytest.approx(
        float((values[2:].square().sum() / values.square().sum()).sqrt()), rel=1e-4
    )
    assert found["ranks"] == [2]
    assert list(found["error_by_block"]) == ["IN01"]


def test_a_sketch_loses_no_more_than_a_percent_over_the_least() -> None:
    generator = torch.Generator().manual_seed(5)
    noise = torch.randn(400, 300, generator=generator)
    falling = noise @ torch.diag(0.98 ** torch.arange(300.0))
    for change in (noise, falling, falling.view(400, 12, 5, 5)):
        values = torch.linalg.svdvals(change.flatten(1).double())
        for rank in (8, 32):
            found = leading(change, rank)
            least = float(values[rank:].square().sum().sqrt())
            kept = found.cut(rank).full()
            assert float((change - kept).double().norm()) <= 1.01 * least
            assert found.lost(rank) ** 0.5 == pytest.approx(float((change - kept).double().norm()), rel=1e-3)
            assert found.energy == pytest.approx(float(values.square().sum()), rel=1e-5)
        kept_share = leading_for_energy(change, 0.9)
        assert kept_share.rest <= 0.1 * kept_share.energy


def test_what_cannot_be_extracted_is_said(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tuned = _tuned(base, _changes())
    lora = save_lora(tmp_path / "lora.safetensors", pair(UNET_LAYER, 8, 8))
    broken = load_file(tuned)
    broken[f"{CONV}.weight"][0, 0, 0, 0] = float("nan")
    save_file(broken, tmp_path / "nan.safetensors")
    out = tmp_path / "out.safetensors"
    for first, second, words, message in (
        (base, base, [], "There is nothing to extract"),
        (tmp_path / "nan.safetensors", base, [], "not finite"),
        (tuned, tmp_path / "none.safetensors", [], "cannot be opened"),
        (tuned, base, ["--out", str(tuned), "--force"], "is one of the"),
        (tuned, base, ["--out", str(tmp_path / "no" / "x.st")], "is no folder"),
    ):
        command = ["extract", str(first), str(second), "--rank", "4", "--out", str(out), *words]
        assert main(command) == 2
        assert message in capsys.readouterr().err
        assert not out.exists()
    assert main(["extract", str(tuned), str(lora), "--rank", "4", "--out", str(out)]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_weights_that_are_not_in_the_lora_are_counted(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tuned = _tuned(base, _changes())
    tensors = load_file(tuned)
    tensors["model.diffusion_model.input_blocks.0.0.weight"] = random(8, 9, 3, 3)
    save_file(tensors, tuned)
    found = json_of(capsys, "extract", tuned, base, "--rank", 4, "--out", tmp_path / "x.safetensors")
    assert found["notes"] == ["1 weights have another shape in the base, and are not in the LoRA"]


# split


def _lora(folder: Path) -> Path:
    return save_lora(
        folder / "whole.safetensors",
        pair(UNET_LAYER, 8, 8),
        pair("lora_unet_input_blocks_2_0_in_layers_2", 8, 72),
        {f"{UNET_LAYER}.alpha": torch.tensor(1.0)},
        pair(TEXT_LAYER, 32, 8),
        ss_network_dim="2",
    )


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (["--text-encoder"], lambda key: key.startswith("lora_te")),
        (["--blocks", "*=0 IN01=1"], lambda key: key.startswith(UNET_LAYER)),
    ],
)
def test_the_two_parts_are_the_whole(tmp_path: Path, words: list[str], first: object) -> None:
    assert callable(first)
    whole = load_file(_lora(tmp_path))
    out, rest = tmp_path / "out.safetensors", tmp_path / "rest.safetensors"
    parts = ["--out", str(out), "--rest", str(rest)]
    assert main(["split", str(tmp_path / "whole.safetensors"), *words, *parts]) == 0
    one, other = load_file(out), load_file(rest)
    assert set(one) == {key for key in whole if first(key)}
    assert set(other) == whole.keys() - one.keys()
    assert all(torch.equal(whole[key], {**one, **other}[key]) for key in whole)
    with safe_open(rest, "pt") as opened:
        assert opened.metadata()["ss_network_dim"] == "2"


def test_a_part_with_nothing_in_it_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = save_lora(tmp_path / "model.safetensors", pair(UNET_LAYER, 8, 8))
    out, rest = tmp_path / "out.safetensors", tmp_path / "rest.safetensors"
    parts = ["--out", str(out), "--rest", str(rest)]
    for words, message in (
        (["--text-encoder", *parts], "none of its layers are of the text encoder"),
        (["--blocks", "IN*=1", *parts], "all of its layers are in"),
        (["--blocks", "what", *parts], "what"),
        (["--text-encoder", "--out", str(out), "--rest", str(out)], "the same name"),
        (["--text-encoder", "--out", str(file), "--rest", str(out)], "exists already"),
    ):
        assert main(["split", str(file), *words]) == 2
        assert message in capsys.readouterr().err
        assert not out.exists()
        assert not rest.exists()
