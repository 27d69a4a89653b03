"""Kinds of adapters between plain LoRAs, each in its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import layouts
import lora_files
import pytest
import torch
from patching import assert_equal, host_chain, our_stack
from torch import Tensor

LAYER = "lora_unet_joint_blocks_0_x_block_attn_proj"
KEY = "diffusion_model.joint_blocks.0.x_block.attn.proj.weight"
WIDTH = 256
RANK = 4


def _random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).mul_(0.1)


def _plain(seed: int) -> dict[str, Tensor]:
    return lora_files.low_rank_tensors({LAYER: (WIDTH, WIDTH)}, seed, RANK, dtype=torch.float32)


def _loha(seed: int) -> dict[str, Tensor]:
    shapes = {"w1_a": (WIDTH, RANK), "w1_b": (RANK, WIDTH), "w2_a": (WIDTH, RANK), "w2_b": (RANK, WIDTH)}
    factors = {
        f"{LAYER}.hada_{n}": _random(*shape, seed=seed + i) for i, (n, shape) in enumerate(shapes.items())
    }
    return factors | {f"{LAYER}.alpha": torch.tensor(2.0)}


def _lokr(seed: int) -> dict[str, Tensor]:
    return {
        f"{LAYER}.lokr_w1": _random(16, 16, seed=seed),
        f"{LAYER}.lokr_w2": _random(16, 16, seed=seed + 1),
    }


def _glora(seed: int) -> dict[str, Tensor]:
    shapes = {"a1": (WIDTH, RANK), "a2": (RANK, WIDTH), "b1": (WIDTH, RANK), "b2": (RANK, WIDTH)}
    return {
        f"{LAYER}.{n}.weight": _random(*shape, seed=seed + i) for i, (n, shape) in enumerate(shapes.items())
    }


def _diff(seed: int) -> dict[str, Tensor]:
    return {
        f"{LAYER}.diff": _random(WIDTH, WIDTH, seed=seed),
        f"{LAYER}.diff_b": _random(WIDTH, seed=seed + 1),
    }


KINDS = {"LoHa": _loha, "LoKr": _lokr, "GLoRA": _glora, "full difference": _diff}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_between_plain_loras_equals_the_host_chain(
    pack: Any, lora_folder: Path, record_property: Any, kind: str
) -> None:
    model, _ = layouts.load("sd3", torch.float32)
    files = {"first": _plain(1), "middle": KINDS[kind](2), "last": _plain(3), "again": KINDS[kind](4)}
    rows = [
        (f"{name}.safetensors", strength, 0.0)
        for name, strength in zip(files, (1.0, -0.7, 0.5, 1.3), strict=True)
    ]
    for name, tensors in files.items():
        lora_files.save(lora_folder / f"{name}.safetensors", tensors)
    our_model, _, report = our_stack(pack, model, None, rows)
    assert_equal(our_model, host_chain(model, None, rows)[0], record_property)
    assert f"in the model); {kind}" in report


def test_factors_of_another_shape_stop_before_anything_is_patched(pack: Any, lora_folder: Path) -> None:
    model, _ = layouts.load("sd3", torch.float32)
    wrong = lora_files.low_rank_tensors({LAYER: (WIDTH, WIDTH // 2)}, 0, RANK)
    lora_files.save(lora_folder / "wrong.safetensors", wrong)
    lora_files.save(lora_folder / "right.safetensors", _plain(1))
    rows = [("right", 1.0, 1.0), ("wrong", 1.0, 1.0)]
    with pytest.raises(
        Exception, match=rf"wrong\.safetensors: {LAYER} makes a change of \(256, 128\)"
    ) as caught:
        our_stack(pack, model, None, rows)
    assert type(caught.value).__name__ == "ShapeMismatch"
    assert model.patches == {}
    patched, _, report = our_stack(pack, model, None, rows, mismatch="warn")
    assert list(patched.patches) == [KEY]
    assert "left out because of another shape: 1 layer" in report
