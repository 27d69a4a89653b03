"""Live stacks on weights in every state the host keeps them in: offloaded, half, fp8, fp8 with a scale."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.sd
import layouts
import lora_files
import pytest
import torch
from comfy.model_patcher import LowVramPatch
from patching import our_stack
from sampling import apart, sample
from test_live import ROWS, TOLERANCE, own_weights, save_loras
from torch import Tensor

FP8 = torch.float8_e4m3fn
LAYER = "diffusion_model.joint_blocks.1.x_block.mlp.fc1"


def _save_all(folder: Path, model: Any) -> None:
    """Two plain LoRAs and one that turns the weight it meets."""
    save_loras(folder, "sd3", model)
    blocks = torch.randn(128, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.2
    lora_files.save(folder / "turn.safetensors", {f"{LAYER}.oft_blocks": blocks})


STACK = [ROWS[0], ("turn", 0.7, 0.0), ROWS[1]]


@pytest.mark.parametrize("stack", [ROWS, STACK], ids=["added", "turned"])
def test_live_on_offloaded_weights(
    pack: Any, lora_folder: Path, no_vram: None, record_property: Any, stack: Any
) -> None:
    model, _ = layouts.load("sd3", torch.float32)
    _save_all(lora_folder, model)
    before = own_weights(model)
    merged, live = (
        sample(our_stack(pack, model, None, stack, mode=mode)[0], "sd3", steps=3)
        for mode in ("merged", "live")
    )
    assert model.model.model_lowvram
    assert model.model.get_submodule(LAYER).comfy_cast_weights
    record_property("largest_difference_in_standard_deviations", apart(live, merged))
    assert apart(live, merged) <= TOLERANCE
    after = model.model.state_dict()
    assert all(torch.equal(after[key], before[key]) for key in before)


def test_live_upon_patches_the_host_applies_on_the_fly(pack: Any, lora_folder: Path, no_vram: None) -> None:
    model, _ = layouts.load("sd3", torch.float32)
    _save_all(lora_folder, model)
    merged, _, _ = our_stack(pack, model, None, STACK, mode="merged")
    first, _, _ = our_stack(pack, model, None, STACK[:1], mode="merged")
    live, _, _ = our_stack(pack, first, None, STACK[1:], mode="live")
    made = sample(live, "sd3", steps=3)
    (function,) = model.model.get_submodule(LAYER).weight_function
    assert isinstance(function, LowVramPatch)
    assert apart(made, sample(merged, "sd3", steps=3)) <= TOLERANCE


def _load(state: Mapping[str, Tensor], **options: Any) -> Any:
    return comfy.sd.load_diffusion_model_state_dict(dict(state), model_options=options)


def _with_scales(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A checkpoint as scaled fp8 files are: each matrix of a block divided by a number stored beside it."""
    quantised = {key: value.to(FP8) if value.ndim > 1 else value for key, value in state.items()}
    for key, value in state.items():
        if value.ndim == 2 and ".x_block." in key:
            quantised[key] = (value / 0.25).to(FP8)
            quantised[key.replace(".weight", ".scale_weight")] = torch.tensor(0.25)
    return {**quantised, "model.diffusion_model.scaled_fp8": torch.zeros(2, dtype=FP8)}


def _as_numbers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What the host's quantised weights stand for, in float32."""
    # Hosts after 0.3.75 read these files as one of their quantised forms and name it beside the weight.
    numbers = {f"model.{key}": v.float() for key, v in state.items() if not key.endswith(".comfy_quant")}
    for ending in (".scale_weight", ".weight_scale"):
        for key in [key for key in numbers if key.endswith(ending)]:
            numbers[key.replace(ending, ".weight")] *= numbers.pop(key)
    return numbers


@pytest.mark.parametrize("stack", [ROWS, STACK], ids=["added", "turned"])
@pytest.mark.parametrize("scaled", [False, True], ids=["fp8", "scaled fp8"])
def test_live_on_fp8_is_the_change_of_the_weights_as_they_are(
    pack: Any, lora_folder: Path, record_property: Any, scaled: bool, stack: Any
) -> None:
    """The oracle is a float32 model of the same numbers, merged: merging into fp8 itself would round."""
    state = layouts.LAYOUTS["sd3"].state_dict(torch.float32)
    if scaled:
        state = _with_scales(state)
    model = _load(state, **({} if scaled else {"dtype": FP8}))
    model.set_model_compute_dtype(torch.float32)
    assert model.model.state_dict()[f"{LAYER}.weight"].dtype == FP8
    _save_all(lora_folder, model)
    patched, _, _ = our_stack(pack, model, None, stack, mode="live")
    live = sample(patched, "sd3", steps=3)
    comfy.model_management.unload_all_models()
    exact = _load(_as_numbers(model.model.state_dict()), dtype=torch.float32)
    merged, _, _ = our_stack(pack, exact, None, stack, mode="merged")
    difference = apart(live, sample(merged, "sd3", steps=3))
    record_property("largest_difference_in_standard_deviations", difference)
    assert difference <= TOLERANCE
    assert difference * 20 < apart(live, sample(model, "sd3", steps=3))


def test_a_change_is_compared_with_the_numbers_that_scaled_weights_stand_for(
    pack: Any, lora_folder: Path
) -> None:
    model = _load(_with_scales(layouts.LAYOUTS["sd3"].state_dict(torch.float32)))
    _save_all(lora_folder, model)
    exact = _load(_as_numbers(model.model.state_dict()), dtype=torch.float32)
    for name in dict.fromkeys(row[0] for row in STACK):
        seen, wanted = (pack.nodes.host.inspect_lora(name, on).spectrum.blocks for on in (model, exact))
        assert all(part.relative is not None for part in seen)
        assert [part.relative for part in seen] == pytest.approx([part.relative for part in wanted], rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["fp16", "bf16"])
def test_half_precision_is_no_further_off_than_merging_is(
    pack: Any, lora_folder: Path, record_property: Any, dtype: torch.dtype
) -> None:
    """Both against float32: merging rounds every weight once, adding rounds the sum."""
    state = layouts.LAYOUTS["sd3"].state_dict(dtype)
    exact = _load({key: value.float() for key, value in state.items()}, dtype=torch.float32)
    _save_all(lora_folder, exact)
    wanted = sample(our_stack(pack, exact, None, ROWS, mode="merged")[0], "sd3", steps=3)
    model = _load(state, dtype=dtype)
    model.set_model_compute_dtype(dtype)
    differences = {
        mode: apart(sample(our_stack(pack, model, None, ROWS, mode=mode)[0], "sd3", steps=3), wanted)
        for mode in ("merged", "live")
    }
    for mode, difference in differences.items():
        record_property(mode, difference)
    assert differences["live"] <= 1.5 * differences["merged"]
