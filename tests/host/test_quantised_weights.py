"""Stacks on weights the host keeps quantised and writes anew: files with `comfy_quant` beside a matrix.

The oracle is a float32 model of the numbers that the quantised weights stand for, merged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.sd
import comfy.utils
import layouts
import lora_files
import pytest
import torch
from patching import host_chain, our_stack
from sampling import apart, sample
from test_live import EFFECT, ROWS, TOLERANCE, save_loras
from torch import Tensor

QUANT = pytest.importorskip("comfy.quant_ops", reason="this host has no quantised tensors")
if not hasattr(getattr(QUANT, "QuantizedTensor", None), "requantize_from_float"):
    pytest.skip("this host does not write quantised weights anew", allow_module_level=True)

LAYER = "diffusion_model.joint_blocks.1.x_block.mlp.fc1"
STACK = [ROWS[0], ("turn", 0.7, 0.0), ROWS[1]]


def quantised(state: Mapping[str, Tensor], form: str) -> dict[str, Tensor]:
    """A checkpoint as the host saves it: the matrices of its blocks in one of the host's forms."""
    found = dict(state)
    layout = QUANT.QUANT_ALGOS[form]["comfy_tensor_layout"]
    for key in [k for k, v in state.items() if v.ndim == 2 and ".x_block." in k]:
        prefix = key.removesuffix("weight")
        tensor = QUANT.QuantizedTensor.from_float(found.pop(key).float(), layout, scale="recalculate")
        found |= tensor.state_dict(key)
        told = json.dumps({"format": form}).encode()
        found[f"{prefix}comfy_quant"] = torch.tensor(list(told), dtype=torch.uint8)
    return found


def as_numbers(model: Any) -> dict[str, Tensor]:
    """What the weights of a quantised model stand for, in float32."""
    own = {**dict(model.model.named_buffers()), **dict(model.model.named_parameters())}
    kept = model.model.state_dict().keys() & own.keys()
    numbers = {key: own[key].dequantize() if is_quantised(own[key]) else own[key] for key in kept}
    return {f"model.{key}": value.detach().float() for key, value in numbers.items()}


def is_quantised(weight: Tensor) -> bool:
    return isinstance(weight, QUANT.QuantizedTensor)


def load(state: Mapping[str, Tensor], **options: Any) -> Any:
    model = comfy.sd.load_diffusion_model_state_dict(dict(state), model_options=options)
    model.set_model_compute_dtype(torch.float32)
    return model


def save_all(folder: Path) -> None:
    """Two plain LoRAs and one that turns the weight it meets."""
    save_loras(folder, "sd3", layouts.load("sd3", torch.float32)[0])
    blocks = torch.randn(128, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.2
    lora_files.save(folder / "turn.safetensors", {f"{LAYER}.oft_blocks": blocks})


def draw(model: Any) -> Tensor:
    return sample(model, "sd3", steps=3)


@pytest.mark.parametrize("stack", [ROWS, STACK], ids=["added", "turned"])
@pytest.mark.parametrize("form", sorted(QUANT.QUANT_ALGOS))
def test_merged_is_rounded_once_more_and_live_is_not(
    pack: Any, lora_folder: Path, record_property: Any, form: str, stack: Any
) -> None:
    model = load(quantised(layouts.LAYOUTS["sd3"].state_dict(torch.float32), form))
    assert is_quantised(model.model.get_submodule(LAYER).weight)
    save_all(lora_folder)
    plain = draw(model)
    made = {}
    for mode in ("merged", "live"):
        made[mode] = draw(our_stack(pack, model, None, stack, mode=mode)[0])
        assert torch.equal(draw(model), plain)
    comfy.model_management.unload_all_models()
    exact = load(as_numbers(model), dtype=torch.float32)
    base, meant = draw(exact), draw(our_stack(pack, exact, None, stack, mode="merged")[0])
    effect, own = apart(meant, base), apart(plain, base)  # own: of multiplying in fewer bits, without a LoRA
    missed = {mode: apart(picture, meant) for mode, picture in made.items()}
    for name, number in {"effect": effect, "own": own, **missed}.items():
        record_property(f"{name}_in_standard_deviations", number)
    assert effect > EFFECT
    assert missed["live"] <= max(TOLERANCE, 1.2 * own)
    assert missed["live"] < missed["merged"] < effect


@pytest.mark.parametrize("form", sorted(QUANT.QUANT_ALGOS))
def test_auto_merges_as_the_host_does(pack: Any, lora_folder: Path, form: str) -> None:
    """Both round by one seed: only numbers whose sums differ in the last bits of float32 fall differently."""
    model = load(quantised(layouts.LAYOUTS["sd3"].state_dict(torch.float32), form))
    save_all(lora_folder)
    ours, _, report = our_stack(pack, model, None, ROWS)
    assert "live" not in report
    theirs, _ = host_chain(model, None, [(f"{name}.safetensors", m, c) for name, m, c in ROWS])
    wanted = written(theirs)
    for key, weight in written(ours).items():
        reach = 1e-6 * wanted[key].abs().max()
        assert ((weight - wanted[key]).abs() > reach).float().mean() <= 1e-3, key


def written(patcher: Any) -> dict[str, Tensor]:
    """The patched weights of a loaded model, in numbers."""
    try:
        comfy.model_management.load_models_gpu([patcher], force_full_load=True)
        held = {key: comfy.utils.get_attr(patcher.model, key) for key in patcher.patches}
        return {key: v.dequantize() if is_quantised(v) else v.clone() for key, v in held.items()}
    finally:
        comfy.model_management.unload_all_models()


@pytest.mark.parametrize("form", sorted(QUANT.QUANT_ALGOS))
def test_a_lora_of_another_width_is_refused_before_sampling(pack: Any, lora_folder: Path, form: str) -> None:
    """A weight of four bits is stored at half its width: the LoRA is held to the width it stands for."""
    model = load(quantised(layouts.LAYOUTS["sd3"].state_dict(torch.float32), form))
    rows, columns = model.model.get_submodule(LAYER).weight.shape
    down, up = torch.ones(4, columns // 2), torch.ones(rows, 4)
    tensors = {f"{LAYER}.lora_down.weight": down, f"{LAYER}.lora_up.weight": up}
    lora_files.save(lora_folder / "narrow.safetensors", tensors)
    with pytest.raises(Exception, match=rf"{columns // 2}.*{columns}|{columns}.*{columns // 2}"):
        our_stack(pack, model, None, [("narrow", 1.0, 0.0)])
