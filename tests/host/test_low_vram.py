"""Weights the host patches on every forward because they do not fit: in their own dtype, or from fp8."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import layouts
import lora_files
import pytest
import torch
from comfy.model_patcher import LowVramPatch
from patching import host_chain, our_stack
from test_equality import kohya_tensors
from torch import Tensor

# The host rounds to the weight's dtype after every LoRA, we once at the end: a few units in the last place.
TOLERANCES = {torch.float32: 1e-6, torch.float16: 4e-3, torch.bfloat16: 3e-2, torch.float8_e4m3fn: 0.13}
ROWS = [("0", 0.8, 0.0), ("1", -0.5, 0.0), ("2", 1.2, 0.0)]


@pytest.fixture
def patchers(pack: Any, lora_folder: Path) -> tuple[Any, Any]:
    """The same stack as ours and as the host's chain."""
    model, _ = layouts.load("sd3", torch.float32)
    for name, _, _ in ROWS:
        lora_files.save(lora_folder / f"{name}.safetensors", kohya_tensors("sd3", model, None, int(name)))
    ours, _, _ = our_stack(pack, model, None, ROWS)
    theirs, _ = host_chain(model, None, [(f"{name}.safetensors", m, c) for name, m, c in ROWS])
    return ours, theirs


@pytest.mark.parametrize("dtype", TOLERANCES, ids=lambda d: str(d).removeprefix("torch."))
def test_a_weight_patched_on_the_fly_is_the_hosts(patchers: tuple[Any, Any], dtype: torch.dtype) -> None:
    ours, theirs = patchers
    state = ours.model.state_dict()
    for key in ours.patches:
        weight = state[key].to(dtype)
        results: list[Tensor] = [
            LowVramPatch(key, patcher.patches)(weight.clone()).float() for patcher in (ours, theirs)
        ]
        assert not torch.equal(results[0], weight.float())
        if dtype == torch.float8_e4m3fn and torch.equal(results[1], weight.float()):
            pytest.skip("this host patches no fp8 on the fly: it brings weights over in the compute dtype")
        difference = (results[0] - results[1]).abs().max() / results[1].abs().max()
        assert difference <= TOLERANCES[dtype], key
