"""What only a GPU can show: the same weights there, and factors that travel without stopping the device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.lora
import layouts
import lora_files
import pytest
import torch
from patching import our_stack
from test_equality import kohya_tensors

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


@pytest.fixture
def patches(pack: Any, lora_folder: Path) -> dict[str, Any]:
    model, _ = layouts.load("sd3", torch.float16)
    for seed in range(3):
        lora_files.save(lora_folder / f"{seed}.safetensors", kohya_tensors("sd3", model, None, seed))
    patched, _, _ = our_stack(pack, model, None, [(f"{seed}.safetensors", 0.7, 0.0) for seed in range(3)])
    return dict(patched.patches)


def test_factors_wait_in_page_locked_memory(patches: dict[str, Any]) -> None:
    for ((_, adapter, *_),) in patches.values():
        ((_, (_, up, down, _)), _) = adapter.weights
        assert up.is_pinned()
        assert down.is_pinned()


def test_patching_on_the_device_gives_the_processors_weights_and_never_waits(patches: dict[str, Any]) -> None:
    model, _ = layouts.load("sd3", torch.float16)
    state = model.model.state_dict()
    on_cpu = {key: state[key].cpu().float() for key in patches}
    on_gpu = {key: weight.to("cuda", copy=True) for key, weight in on_cpu.items()}
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")  # any wait for the device raises
    try:
        for key, steps in patches.items():
            on_gpu[key] = comfy.lora.calculate_weight(steps, on_gpu[key], key)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for key, steps in patches.items():
        wanted = comfy.lora.calculate_weight(steps, on_cpu[key], key)
        difference = (on_gpu[key].cpu() - wanted).abs().max() / wanted.abs().max()
        assert difference <= 1e-5, key  # two devices sum in two orders
