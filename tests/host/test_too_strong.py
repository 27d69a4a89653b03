"""Products of allowed numbers that no weight holds: refused before anything is patched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import layouts
import lora_files
import pytest
import torch
from patching import our_stack

LAYER = "lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q"
KEY = "diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"


def _file(folder: Path, model: Any, size: float) -> None:
    out, inner = model.model.state_dict()[KEY].shape
    tensors = {
        f"{LAYER}.lora_up.weight": torch.full((out, 1), size),
        f"{LAYER}.lora_down.weight": torch.ones(1, inner),
    }
    lora_files.save(folder / "strong.safetensors", tensors)


@pytest.mark.parametrize("mode", ["merged", "live"])
@pytest.mark.parametrize(
    ("dtype", "size", "strength"), [(torch.float16, 70.0, 1000.0), (torch.float32, 4e35, 1000.0)]
)
def test_a_stack_no_weight_holds_is_refused_before_anything_is_patched(
    pack: Any, lora_folder: Path, dtype: torch.dtype, size: float, strength: float, mode: str
) -> None:
    model, _ = layouts.load("sd15", dtype)
    _file(lora_folder, model, size)
    overflows = pack.lora_core.errors.Overflows
    with pytest.raises(overflows, match=f"{KEY} would have numbers beyond .* Lower .* of strong"):
        our_stack(pack, model, None, [("strong", strength, 0.0)], mode=mode)
    patched, _, _ = our_stack(pack, model, None, [("strong", strength / 2, 0.0)], mode=mode)
    assert patched is not model
    assert not model.patches
