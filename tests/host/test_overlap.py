"""LoRA Overlap in the host: its numbers are those of the weights the host samples with, and balance holds."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from types import ModuleType
from typing import Any

import layouts
import lora_files
import torch
from patching import patched_weights
from test_equality import kohya_tensors

WITHIN = 1e-3  # of a norm: the report has three digits, and the host's weights are float32


def _norms(pack: ModuleType, model: Any, stack: list[Any]) -> dict[str, float]:
    """‖ΔW‖ by block, from the weights of the patched model; `all` is the whole."""
    patched = pack.NODE_CLASS_MAPPINGS["LoraRackApply"]().apply(model, stack)["result"][0]
    before = {key: tensor.clone() for key, tensor in model.model.state_dict().items()}
    energies: defaultdict[str, float] = defaultdict(float)
    for key, after in patched_weights(patched).items():
        energy = float((after - before[key]).double().square().sum())
        energies[".".join(key.split(".")[1:3])] += energy
        energies["all"] += energy
    return {block: energy**0.5 for block, energy in energies.items()}


def test_its_numbers_are_those_of_the_models_weights(pack: ModuleType, lora_folder: Path) -> None:
    model, _ = layouts.load("sd15", torch.float32)
    rack = pack.NODE_CLASS_MAPPINGS["LoraRackStack"]()
    for seed in (1, 2):
        lora_files.save(lora_folder / f"{seed}.safetensors", kohya_tensors("sd15", model, None, seed))
    tags = ("<lora:1:unet=0.8:te=0>", "<lora:2:unet=-0.4:te=0:lbw=OUT*=2>")
    stack, _ = rack.build("\n".join(tags))
    measured = pack.NODE_CLASS_MAPPINGS["LoraRackOverlap"]().measure(stack, model)
    report, chart, balanced = measured["result"]
    assert measured["ui"]["text"] == [report]
    assert chart.shape[0] == 1
    assert chart.shape[3] == 3
    alone = [_norms(pack, model, rack.build(tag)[0]) for tag in tags]
    together, quieter = _norms(pack, model, stack), _norms(pack, model, balanced)
    said = float(report.partition("change the model ")[2].split()[0])
    assert abs(said - together["all"] / max(one["all"] for one in alone)) <= 0.01
    for block, norm in together.items():
        strongest = max(one.get(block, 0.0) for one in alone)
        if block.startswith(("input_blocks.", "output_blocks.")):
            assert quieter[block] <= strongest * (1 + WITHIN)
            assert quieter[block] >= min(norm, strongest) * (1 - 2 * WITHIN)
