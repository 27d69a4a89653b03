"""What a patch needs beside the weight: its factors in the dtype of the maths, and no second weight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.lora
import layouts
import lora_files
import pytest
import torch
from memory import peak_bytes
from patching import host_chain, our_stack
from test_equality import kohya_tensors

COUNT = 4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=["fp32", "fp16"])
def test_a_patch_needs_its_factors_and_no_second_weight(
    pack: Any, lora_folder: Path, record_property: Any, dtype: torch.dtype
) -> None:
    model, _ = layouts.load("sd3", dtype)
    rows = [(f"{seed}.safetensors", 0.7, 0.0) for seed in range(COUNT)]
    for seed, (name, _, _) in enumerate(rows):
        lora_files.save(lora_folder / name, kohya_tensors("sd3", model, None, seed))
    ours, theirs = our_stack(pack, model, None, rows)[0].patches, host_chain(model, None, rows)[0].patches
    state = model.model.state_dict()
    smallest_lead = float("inf")
    for key in sorted(ours, key=lambda key: -state[key].numel())[:8]:
        weight = state[key].float()
        ((_, adapter, *_),) = ours[key]
        ((_, (_, up, down, _)), _) = adapter.weights
        factors = 4 * (up.numel() + down.numel())
        held = peak_bytes(lambda w=weight, k=key: comfy.lora.calculate_weight(ours[k], w, k))
        assert held <= factors, key
        hosts = peak_bytes(lambda w=weight, k=key: comfy.lora.calculate_weight(theirs[k], w, k))
        assert hosts > weight.nbytes, key  # what it is compared with does hold a second weight
        smallest_lead = min(smallest_lead, hosts / max(held, 1))
    record_property("hosts_peak_over_ours", smallest_lead)
