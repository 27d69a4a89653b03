"""Where test_dynamic_memory.py is left out: the host has no dynamic patcher (it came with 0.16)."""

from __future__ import annotations

import importlib
from typing import Any

import comfy.model_patcher
import layouts
import torch


def test_this_host_has_no_dynamic_memory_to_test(pack: Any) -> None:
    """Its patchers are not taken for dynamic ones: room is what its loaded model leaves."""
    assert not hasattr(comfy.model_patcher, "ModelPatcherDynamic")
    model, _ = layouts.load("sd3", torch.float32)
    limits = importlib.import_module(f"{pack.__name__}.nodes.host.sweeping.limits")
    assert limits._room(model, 1.0) > 1.0
