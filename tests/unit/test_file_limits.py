"""What a file says twice, for an absent encoder, of rank 0, for a narrower weight, or fused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from small_files import pair, random
from torch import Tensor

from lora_core.applying import Verdict, fuse, match
from lora_core.errors import NotALora, ShapeMismatch
from lora_core.key_maps import KeyMap, Target
from lora_core.reading import Lora, read_file, read_lora
from lora_core.stack import Entry

QKV, OUT = "layers.0.attention.qkv", "layers.0.attention.out"
Z_IMAGE = {
    "lora_unet_layers_0_attention_qkv": Target(f"{QKV}.weight"),
    **{
        f"lora_unet_layers_0_attention_to_{part}": Target(f"{QKV}.weight", (0, 8 * number, 8))
        for number, part in enumerate("qkv")
    },
    "lora_unet_layers_0_attention_out": Target(f"{OUT}.weight"),
    "lora_unet_layers_0_attention_to_out_0": Target(f"{OUT}.weight"),
}
SHAPES = {f"{QKV}.weight": (24, 8), f"{OUT}.weight": (8, 8)}


def _read(folder: Path, tensors: Mapping[str, Tensor]) -> Lora:
    path = folder / "style.safetensors"
    save_file({key: tensor.clone() for key, tensor in tensors.items()}, path)
    return read_lora(read_file(path))


def _applied(lora: Lora, key_map: KeyMap, strength: float = 1.0) -> dict[str, Tensor]:
    """What is added to weights of zeros."""
    weights = {key: torch.zeros(shape) for key, shape in key_map.shapes.items()}
    for key, steps in fuse([match(lora, key_map)]).at([strength]).items():
        for step in steps:
            place = step.target.offset
            part = weights[key] if place is None else weights[key].narrow(*place)
            step.adapter.apply(part, step.strength, torch.float32, step.target.function)
    return weights


def _twice(other: float = 1.0) -> dict[str, Tensor]:
    """Z-Image's qkv, its q and its k again, and its out twice; `other` scales the second time."""
    up, down = random(24, 2), random(2, 8)
    name = "lora_unet_layers_0_attention_"
    tensors = {f"{name}qkv.lora_up.weight": up, f"{name}qkv.lora_down.weight": down}
    for part, rows in (("to_q", up[:8]), ("to_k", up[8:16]), ("out", up[:8]), ("to_out_0", up[:8])):
        scale = 1.0 if part == "out" else other
        tensors |= {f"{name}{part}.lora_up.weight": rows * scale, f"{name}{part}.lora_down.weight": down}
    return tensors


@pytest.mark.parametrize("other", [1.0, 0.5])
def test_what_is_said_twice_is_applied_once(other: float, tmp_path: Path) -> None:
    tensors, key_map = _twice(other), KeyMap.of(Z_IMAGE, SHAPES)
    lora = _read(tmp_path, tensors)
    name = "lora_unet_layers_0_attention_"
    change = _applied(lora, key_map)
    # The whole counts before its parts; of two names for the whole the first in the file.
    torch.testing.assert_close(
        change[f"{QKV}.weight"], tensors[f"{name}qkv.lora_up.weight"] @ tensors[f"{name}qkv.lora_down.weight"]
    )
    torch.testing.assert_close(
        change[f"{OUT}.weight"], tensors[f"{name}out.lora_up.weight"] @ tensors[f"{name}out.lora_down.weight"]
    )
    verdict = Verdict(Entry("style"), lora, match(lora, key_map), None)
    assert verdict.unmatched == ()
    assert "said twice, applied once: 3 layers" in verdict.describe()
    assert ("with other values the second time: 3 layers" in verdict.describe()) == (other != 1)


def test_a_second_formula_of_a_weight_is_no_repeat(tmp_path: Path) -> None:
    tensors = {**pair("lora_unet_a", 8, 8), "diffusion_model.a.diff": random(8, 8)}
    names = {name: Target("a.weight") for name in ("lora_unet_a", "diffusion_model.a")}
    found = match(_read(tmp_path, tensors), KeyMap.of(names, {"a.weight": (8, 8)}))
    assert found.repeats == ()


def test_layers_of_an_encoder_that_is_not_there_have_no_place(tmp_path: Path) -> None:
    path = "text_model_encoder_layers_0_mlp_fc1"
    tensors = {**pair(f"lora_te1_{path}", 32, 8), **pair(f"lora_te2_{path}", 48, 12)}
    names = {f"lora_te{n}_{path}": Target("clip_l.fc1.weight") for n in (1, 2)}
    lora = _read(tmp_path, tensors)
    found = match(lora, KeyMap.of(names, {"clip_l.fc1.weight": (32, 8)}))
    assert list(found.layers) == [f"lora_te1_{path}"]
    assert found.misfits == ()
    verdict = Verdict(Entry("style"), lora, None, found)
    assert "not in the text encoder: 1 layer" in verdict.describe()


def test_a_layer_of_rank_0_is_left_out_and_counted(tmp_path: Path) -> None:
    empty = {"b.lora_up.weight": torch.zeros(8, 0), "b.lora_down.weight": torch.zeros(0, 8)}
    lora = _read(tmp_path, {**pair("a", 8, 8), **empty, "b.alpha": torch.tensor(0.0)})
    assert list(lora.layers) == ["a"]
    assert lora.notes == ("rank 0 in 1 layers, such as b: they change nothing",)


@pytest.mark.parametrize("shape", [(8, 16, 2, 2), (12, 4, 2, 2), (8, 4, 3, 3), (8, 32)], ids=str)
def test_a_weight_with_more_inputs_other_rows_or_another_kernel_does_not_grow(
    shape: tuple[int, ...], tmp_path: Path
) -> None:
    tensors = {
        "x.lora_up.weight": random(8, 2, 1, 1),
        "x.lora_down.weight": random(2, 8, 2, 2),
        "x.reshape_weight": torch.tensor([8, 8, 2, 2]),
    }
    lora = _read(tmp_path, tensors)
    with pytest.raises(ShapeMismatch):
        match(lora, KeyMap.of({"x": Target("x.weight")}, {"x.weight": shape})).require_fit()
    match(lora, KeyMap.of({"x": Target("x.weight")}, {"x.weight": (8, 4, 2, 2)})).require_fit()


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({"transformer_blocks.0.mlp_fc1.lora_down": random(8, 4)}, "packed for nunchaku"),
        ({"weights.0": random(8, 4), "weights.1": random(8, 4)}, "numbers its tensors"),
    ],
)
def test_a_file_nothing_can_be_made_of_is_refused_with_the_reason(
    tensors: dict[str, Tensor], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(NotALora, match=reason):
        _read(tmp_path, tensors)


APART = {f"transformer.attn.to_{part}": Target(f"w{part}.weight") for part in "qkv"}
APART_SHAPES = {"wq.weight": (12, 8), "wk.weight": (6, 8), "wv.weight": (6, 8)}
FUSED = {
    "LoRA": {"lora_up.weight": random(24, 2), "lora_down.weight": random(2, 8)},
    "LoKr": {"lokr_w1": random(4, 2), "lokr_w2": random(6, 4)},
    "LoHa": {
        **{f"hada_w{half}_a": random(24, 2) for half in "12"},
        **{f"hada_w{half}_b": random(2, 8) for half in "12"},
    },
    "diff": {"diff": random(24, 8)},
}


@pytest.mark.parametrize("kind", FUSED)
def test_a_fused_layer_reaches_the_weights_a_model_keeps_apart(kind: str, tmp_path: Path) -> None:
    lora = _read(tmp_path, {f"transformer.attn.to_qkv.{end}": tensor for end, tensor in FUSED[kind].items()})
    key_map = KeyMap.of(APART, APART_SHAPES)
    (adapter,) = lora.layers["transformer.attn.to_qkv"]
    whole = adapter.apply(torch.zeros(24, 8), 0.7, torch.float32)
    torch.testing.assert_close(torch.cat(list(_applied(lora, key_map, 0.7).values())), whole)
    verdict = Verdict(Entry("style"), lora, match(lora, key_map), None)
    assert (verdict.matched, verdict.unmatched) == (frozenset({"transformer.attn.to_qkv"}), ())


def test_a_fused_dora_reaches_the_weights_a_model_keeps_apart(tmp_path: Path) -> None:
    fused = {**FUSED["LoRA"], "dora_scale": random(24, 1).abs()}
    lora = _read(tmp_path, {f"transformer.attn.to_qkv.{end}": tensor for end, tensor in fused.items()})
    found = match(lora, KeyMap.of(APART, APART_SHAPES))
    weight = random(24, 8)
    (adapter,) = lora.layers["transformer.attn.to_qkv"]
    whole = adapter.apply(weight.clone(), 0.7, torch.float32)
    made = [
        found.lora.layers[name][0].apply(part.clone(), 0.7, torch.float32)
        for name, part in zip(found.layers, weight.split((12, 6, 6)), strict=True)
    ]
    torch.testing.assert_close(torch.cat(made), whole)
