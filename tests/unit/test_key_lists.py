"""Key lists of today's trainers and tools: what each file is, and which weight each of its layers means.

Shapes are those of a recorded ComfyUI, its numbered blocks repeated as far as a list asks for them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from recorded_hosts import recorded, shapes
from safetensors.torch import save_file
from small_files import json_of
from torch import Tensor

from lora_core.applying import Match, match
from lora_core.key_maps import KeyMap, family_of_file, model_names, text_encoder_names
from lora_core.reading import PartialLora

CASES: list[dict[str, Any]] = json.loads(
    Path(__file__).with_name("key_lists.json").read_text(encoding="utf-8")
)["cases"]
_FIRST_BLOCK = re.compile(r"(.*?(?:blocks|layers)\.)0(\..+)")


def _tensor(key: str, shape: list[int]) -> Tensor:
    if key.endswith(".alpha"):
        return torch.tensor(4.0)
    if key.endswith(".on_input"):
        return torch.tensor(float("ff_net_2" in key))
    return torch.rand(shape, generator=torch.Generator().manual_seed(len(key))) if shape else torch.ones(())


def _saved(case: Mapping[str, Any], folder: Path) -> Path:
    path = folder / "style.safetensors"
    tensors = {key: _tensor(key, shape) for key, shape in case["keys"].items()}
    save_file(tensors, path, case.get("metadata"))
    return path


def _model(case: Mapping[str, Any], entry: str) -> dict[str, tuple[int, ...]]:
    """The recorded shapes, at the widths and with the blocks a list is for."""
    widths = {int(old): new for old, new in case.get("widths", {}).items()}
    whole = shapes(recorded(case.get("host", "0.28.0"))[entry])
    found = {key: tuple(widths.get(size, size) for size in shape) for key, shape in whole.items()}
    wanted = {n for key, _ in (case["targets"] or {}).values() for n in re.findall(r"\.(\d+)\.", key)}
    for key, shape in list(found.items()):
        if block := _FIRST_BLOCK.fullmatch(key):
            found |= {f"{block[1]}{number}{block[2]}": shape for number in wanted}
    return found


def _matches(case: Mapping[str, Any], path: Path) -> list[Match]:
    lora = PartialLora(path).outline
    assert not lora.unknown_keys
    model = _model(case, case["model"])
    maps = [KeyMap.of(model_names(model), model)]
    if "encoders" in case:
        encoders = _model(case, case["encoders"])
        maps.append(KeyMap.of(text_encoder_names(encoders), encoders))
    return [match(lora, key_map) for key_map in maps]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_every_layer_means_the_right_weight(case: Mapping[str, Any], tmp_path: Path) -> None:
    path = _saved(case, tmp_path)
    found = {
        layer: (target.key, list(target.offset[1:]) if target.offset else None)
        for one in _matches(case, path)
        for layer, target in one.layers.items()
    }
    if case["targets"] is not None:
        assert found == {layer: tuple(target) for layer, target in case["targets"].items()}
        assert not any(one.misfits for one in _matches(case, path))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_inspect_says_that_it_is_a_lora(
    case: Mapping[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (facts,) = json_of(capsys, "inspect", _saved(case, tmp_path))
    assert facts["kind"] == "LoRA"
    assert facts["layers"] > 0


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("OneTrainer's numbered parts, Flux", "flux"),
        ("HunyuanVideo in OneTrainer's older names", "hunyuan_video"),
        ("MiniMax-H3 of DiffSynth-Studio", "minimax_h3"),
        ("Hunyuan-DiT in diffusers' names", "hunyuan_dit"),
        ("Ideogram 4 in diffusers' names", "ideogram4"),
    ],
)
def test_the_family_is_among_those_a_list_may_be_for(name: str, family: str, tmp_path: Path) -> None:
    (case,) = (case for case in CASES if case["name"] == name)
    assert family in family_of_file({}, PartialLora(_saved(case, tmp_path)).outline.widths).ids
