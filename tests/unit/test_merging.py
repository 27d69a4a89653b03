"""Merging methods against PEFT's own, and what a command writes with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from peft.utils import merge_utils
from safetensors import safe_open
from safetensors.torch import load_file
from small_files import TEXT_LAYER, UNET_LAYER, Q, pair, random, save_lora
from torch import Tensor

from lora_core.cli import main
from lora_core.merging import SUM, DareTies, Ties

SHAPES = ((24, 40), (24, 8, 3, 3), (24,))
DENSITIES = (0.05, 0.2, 0.5, 0.99)
CLOSE = 1e-6  # of the largest number: sums in another order
MODEL_KEY = f"model.diffusion_model.{Q}.weight"


def _changes(shape: tuple[int, ...], count: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(count)
    return [torch.randn(shape, generator=generator) * (1 + row) for row in range(count)]


def _assert_close(ours: Tensor, theirs: Tensor) -> None:
    assert float((ours - theirs).abs().max()) <= CLOSE * float(theirs.abs().max())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("density", DENSITIES)
def test_ties_is_pefts(shape: tuple[int, ...], count: int, density: float) -> None:
    changes = _changes(shape, count)
    theirs = merge_utils.ties(changes, torch.ones(count), density)
    ours = Ties(density).merge(changes, "weight")
    _assert_close(ours, theirs)
    assert ours.shape == shape


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("density", [0.3, 0.9])
def test_dare_ties_is_pefts_for_the_same_lots(
    shape: tuple[int, ...], density: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = _changes(shape, 3)
    method = DareTies(density, seed=4)
    ours = method.merge(changes, "weight")
    # Which numbers stay is ours to draw, PEFT does all the rest.
    lots = iter([method.lots(shape, "weight", row).float() for row in range(3)])
    monkeypatch.setattr(torch, "bernoulli", lambda probabilities: next(lots))
    _assert_close(ours, merge_utils.dare_ties(changes, torch.ones(3), density))


def test_lots_are_fair_and_those_of_the_seed() -> None:
    ones = [torch.ones(200, 200)]
    first = DareTies(0.3, seed=1).merge(ones, "a")
    assert torch.equal(first, DareTies(0.3, seed=1).merge(ones, "a"))
    assert not torch.equal(first, DareTies(0.3, seed=2).merge(ones, "a"))
    assert not torch.equal(first, DareTies(0.3, seed=1).merge(ones, "b"))
    assert float(first.mean()) == pytest.approx(1, abs=0.03)


def test_a_sum_is_a_sum() -> None:
    changes = _changes((4, 5), 3)
    before = [change.clone() for change in changes]
    assert torch.allclose(SUM.merge(changes, "a"), sum(changes))
    assert all(torch.equal(one, other) for one, other in zip(changes, before, strict=True))


def _stack(folder: Path) -> list[str]:
    one = save_lora(folder / "one.safetensors", pair(UNET_LAYER, 8, 8), pair(TEXT_LAYER, 32, 8))
    two = save_lora(folder / "two.safetensors", {f"{UNET_LAYER}.diff": random(8, 8).flip(0)})
    return [f"{one}:0.8", f"{two}:-0.5"]


def _expected(method: Ties | DareTies) -> Tensor:
    product = random(8, 2) @ random(2, 8)
    return method.merge([product * 0.8, random(8, 8).flip(0) * -0.5], "")


@pytest.mark.parametrize("density", [0.25, None])
def test_save_and_merge_write_the_method(checkpoint: Path, tmp_path: Path, density: float | None) -> None:
    stack = _stack(tmp_path)
    words = ["--method", "ties", *(["--density", str(density)] if density else [])]
    saved, baked, both = (tmp_path / f"{name}.safetensors" for name in ("saved", "baked", "both"))
    assert main(["save", *stack, *words, "--out", str(saved)]) == 0
    into = ["--into", str(checkpoint), "--dtype", "fp32", "--out"]
    assert main(["merge", *stack, *words, *into, str(baked)]) == 0
    assert main(["merge", str(saved), *into, str(both)]) == 0
    before, after, again = load_file(checkpoint), load_file(baked), load_file(both)
    expected = _expected(Ties(density or 0.2))
    assert torch.allclose(after[MODEL_KEY] - before[MODEL_KEY].float(), expected, atol=1e-5)
    assert all(torch.allclose(after[key], tensor, atol=1e-5) for key, tensor in again.items())
    with safe_open(saved, "pt") as opened:
        assert opened.metadata()["lora_rack.method"] == f"ties, density {density or 0.2:g}"
    with safe_open(baked, "pt") as opened:
        assert json.loads(opened.metadata()["lora_rack.baked"])[-1]["method"].startswith("ties")


def test_a_seed_gives_the_same_file(tmp_path: Path) -> None:
    stack = _stack(tmp_path)
    outs = [tmp_path / f"{n}.safetensors" for n in range(3)]
    for out, seed in zip(outs, ("7", "7", "8"), strict=True):
        assert main(["save", *stack, "--method", "dare-ties", "--seed", seed, "--out", str(out)]) == 0
    one, same, other = (out.read_bytes() for out in outs)
    assert one == same
    assert one != other


def test_numbers_a_method_does_not_take_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = _stack(tmp_path)
    out = tmp_path / "out.safetensors"
    for words, message in (
        (["--density", "0.5"], "takes no density"),
        (["--method", "ties", "--seed", "1"], "takes no seed"),
        (["--method", "ties", "--density", "0"], "no density"),
        (["--method", "dare-ties", "--density", "nan"], "no density"),
    ):
        assert main(["save", *stack, *words, "--out", str(out)]) == 2
        assert message in capsys.readouterr().err
        assert not out.exists()
