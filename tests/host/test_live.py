"""Live stacks through whole samplings: the pictures of merged ones, and not one weight written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import layouts
import lora_files
import pytest
import torch
from patching import Rows, our_stack
from sampling import apart, sample
from test_equality import kohya_tensors

TOLERANCE = 1e-3
ROWS: Rows = [("0", 0.8, 0.0), ("1", -0.5, 0.0)]
EFFECT = 0.02  # a change of the picture worth the name

SAMPLERS = ("euler", "euler_ancestral", "dpmpp_2m", "uni_pc")


def save_loras(folder: Path, layout: str, model: Any, count: int = 2) -> None:
    for seed in range(count):
        lora_files.save(folder / f"{seed}.safetensors", kohya_tensors(layout, model, None, seed))


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("layout", layouts.LAYOUTS)
def test_live_equals_merged(
    pack: Any, lora_folder: Path, record_property: Any, layout: str, sampler: str
) -> None:
    model, _ = layouts.load(layout, torch.float32)
    save_loras(lora_folder, layout, model)
    cfg = 1.0 if layout == "flux" else 4.0
    pictures = {
        mode: sample(our_stack(pack, model, None, ROWS, mode=mode)[0], layout, sampler=sampler, cfg=cfg)
        for mode in ("merged", "live")
    }
    difference = apart(pictures["live"], pictures["merged"])
    record_property("largest_difference_in_standard_deviations", difference)
    assert difference <= TOLERANCE
    assert apart(pictures["live"], sample(model, layout, sampler=sampler, cfg=cfg)) > EFFECT
