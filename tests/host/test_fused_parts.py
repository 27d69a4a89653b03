"""q, k and v that are one weight: the pack's rows are the host's own slices, and a LoRA in either spelling is
what the host's loader makes of a file whose rows are weighted.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import comfy.lora
import families
import full_models
import layouts
import lora_files
import pytest
import torch
from lora_rack.lora_core.applying.model_blocks import blocks_in
from lora_rack.lora_core.blocks import blocks_of_model
from patching import assert_equal, host_chain
from sampling import apart, sample
from test_live import TOLERANCE
from test_whole_key_maps import _HOST_IS_WRONG
from torch import Tensor

# The last part of diffusers' name of a slice → the part it is.
_WORDS = {
    **{f"to_{part}": part for part in "qkv"},
    **{f"add_{part}_proj": part for part in "qkv"},
    "proj_mlp": "ff.up",
}
_WITH_SLICES = (
    "Flux.1", "Flux.1 schnell", "Flux.2", "Chroma", "SD3", "SD3.5 medium", "PixArt alpha", "PixArt sigma",
    "Lumina 2", "Z-Image",
)  # fmt: skip


@pytest.mark.parametrize("name", _WITH_SLICES)
def test_the_parts_are_the_slices_of_the_hosts_key_map(name: str) -> None:
    model = families.model(name)
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    family = blocks_of_model(shapes)
    checked = set()
    for layer, target in comfy.lora.model_lora_keys_unet(model, {}).items():
        word = _WORDS.get(layer.rpartition(".")[2])
        is_wrong = layer.endswith(_HOST_IS_WRONG.get(name, "\0"))
        if word is None or is_wrong or isinstance(target, str) or target[0] not in shapes:
            continue
        key, place = target[:2]
        (element,) = [part.place.element for part in family.parts(key) if part.slice == place]
        assert element.endswith(f".{word}")
        checked.add(word)
    assert checked >= ({"q"} if name == "Lumina 2" else {"q", "k", "v"})


_IS_FUSED = re.compile(r"qkv|(?:to_kv|kv_linear|kv_proj)\.|single_blocks\.\d+\.linear[12]\.weight")


@pytest.mark.parametrize("name", full_models.BLOCKS)
def test_every_weight_that_is_several_in_one_has_its_parts(name: str) -> None:
    _check_parts(full_models.shapes_of(name))


@pytest.mark.parametrize("name", full_models.TEXT_BLOCKS)
def test_the_same_in_text_encoders(name: str) -> None:
    _check_parts(full_models.text_shapes_of(name))


def _check_parts(shapes: Mapping[str, tuple[int, ...]]) -> None:
    family = blocks_of_model(shapes)
    for key, shape in shapes.items():
        parts = family.parts(key)
        if _IS_FUSED.search(key):
            assert sum(part.slice[2] for part in parts) == shape[parts[0].slice[0]], key
            assert len(parts) == (3 if "qkv" in key else 4 if "linear1" in key else 2), key
        else:
            assert not parts or key.endswith("linear1.bias"), key


_SLICES = {  # the weights as the host's networks have them, and what diffusers calls their parts
    "sd3": {
        "joint_blocks.1.x_block.attn.qkv": [f"transformer_blocks.1.attn.to_{p}" for p in "qkv"],
        "joint_blocks.1.context_block.attn.qkv": [f"transformer_blocks.1.attn.add_{p}_proj" for p in "qkv"],
    },
    "flux": {
        "double_blocks.0.img_attn.qkv": [f"transformer_blocks.0.attn.to_{p}" for p in "qkv"],
        "single_blocks.0.linear1": [
            *(f"single_transformer_blocks.0.attn.to_{p}" for p in "qkv"),
            "single_transformer_blocks.0.proj_mlp",
        ],
    },
}
_TEXT = "*/q=0.5 */k=0 */ff=2 */txt.v=-1"
_NUMBERS = {"q": 0.5, "k": 0.0, "v": 1.0, "mlp": 2.0}


def _files(folder: Path, name: str, model: Any) -> None:
    """One LoRA three times: whole, in slices, and whole with the rows weighted as in _TEXT."""
    state = model.model.state_dict()
    shapes = {key: tuple(state[f"diffusion_model.{key}.weight"].shape) for key in _SLICES[name]}
    pairs = lora_files.low_rank_tensors(
        shapes, seed=3, suffixes=lora_files.SUFFIXES["peft"], dtype=torch.float32
    )
    whole: dict[str, Tensor] = {}
    split: dict[str, Tensor] = {}
    weighted: dict[str, Tensor] = {}
    for key, parts in _SLICES[name].items():
        up, down = pairs[f"{key}.lora_B.weight"], pairs[f"{key}.lora_A.weight"]
        width = shapes[key][1]
        factors = torch.ones(len(up), 1)
        for number, part in enumerate(parts):
            rows = slice(number * width, None if part.endswith("mlp") else (number + 1) * width)
            split |= _pair(f"transformer.{part}", up[rows].clone(), down)
            word = part.removesuffix("_proj").rpartition("_")[2]
            factors[rows] = -1.0 if part.endswith("add_v_proj") else _NUMBERS[word]
        whole |= _pair(f"diffusion_model.{key}", up, down)
        weighted |= _pair(f"diffusion_model.{key}", up * factors, down)
    for file, tensors in (("whole", whole), ("split", split), ("weighted", weighted)):
        lora_files.save(folder / f"{file}.safetensors", tensors)


def _pair(layer: str, up: Tensor, down: Tensor) -> Mapping[str, Tensor]:
    return {f"{layer}.lora_B.weight": up, f"{layer}.lora_A.weight": down.clone()}


@pytest.mark.parametrize("name", _SLICES)
def test_both_spellings_equal_the_hosts_loader_with_each_row_weighted_in_the_file(
    pack: Any, lora_folder: Path, record_property: Any, name: str
) -> None:
    model, _ = layouts.load(name, torch.float32)
    _files(lora_folder, name, model)
    theirs, _ = host_chain(model, None, [("weighted.safetensors", 0.7, 0.0)])
    for spelling in ("whole", "split"):
        ours, _, _ = pack.NODE_CLASS_MAPPINGS["LoraRackLoad"]().load(model, spelling, 0.7, 0.0, blocks=_TEXT)
        assert_equal(ours, theirs, record_property)


def test_live_is_merged(pack: Any, lora_folder: Path, record_property: Any) -> None:
    model, _ = layouts.load("sd3", torch.float32)
    _files(lora_folder, "sd3", model)
    nodes = pack.NODE_CLASS_MAPPINGS
    stack, _ = nodes["LoraRackAdd"]().add("whole", 3.0, 0.0, blocks=_TEXT)
    stack, _ = nodes["LoraRackAdd"]().add("split", -2.0, 0.0, stack, blocks="*/q=0")
    merged, live = (
        sample(nodes["LoraRackApply"]().apply(model, stack, "error", None, mode)["result"][0], "sd3", steps=3)
        for mode in ("merged", "live")
    )
    record_property("largest_difference_in_standard_deviations", apart(live, merged))
    assert apart(live, merged) <= TOLERANCE
    assert apart(live, sample(model, "sd3", steps=3)) > 0.02


def test_packed_weights_have_their_parts_too(pack: Any) -> None:
    """NF4 and its like show other shapes than the layer's."""
    model = families.model("Flux.1")
    key = "diffusion_model.double_blocks.0.img_attn.qkv.weight"
    layer = model.get_submodule(key.removesuffix(".weight"))
    wanted = blocks_of_model({k: tuple(v.shape) for k, v in model.state_dict().items()}).parts(key)
    layer.weight = torch.nn.Parameter(torch.zeros(7, 1, dtype=torch.uint8), requires_grad=False)
    key_maps = importlib.import_module(f"{pack.__name__}.nodes.host.key_maps")
    found = key_maps._key_map(model, lambda module, names: names, lambda shapes: {})
    assert found.packed == {key: (layer.out_features, layer.in_features)}
    assert blocks_in(found).parts(key) == wanted
    assert len(wanted) == 3
