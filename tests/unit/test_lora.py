"""A whole file read: what adds up, what belongs to the bias, what is left over, what the report will say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from oracles import patched
from safetensors.torch import save
from torch import Tensor

from lora_core.errors import BrokenFile, NotALora
from lora_core.key_maps.key_map import Target
from lora_core.reading.contents import read_file
from lora_core.reading.lora import Lora, read_lora
from lora_core.reading.partial import PartialLora

ONES = torch.ones


def _read(folder: Path, tensors: Mapping[str, Tensor], keep_foreign: bool = False) -> Lora:
    path = folder / "style.safetensors"
    path.write_bytes(save(dict(tensors)))
    return read_lora(read_file(path), keep_foreign)


def _pair(layer: str, up: str = "lora_up.weight", down: str = "lora_down.weight") -> dict[str, Tensor]:
    return {f"{layer}.{up}": ONES(4, 1), f"{layer}.{down}": ONES(1, 4)}


def _kinds(lora: Lora) -> dict[str, list[str]]:
    return {name: [adapter.kind for adapter in adapters] for name, adapters in lora.layers.items()}


def test_a_change_said_three_times_is_applied_once_and_a_second_formula_adds_to_it(tmp_path: Path) -> None:
    """Two spellings of one name, two names of one weight: 1 in every number; the `diff` adds another 1."""
    lora = _read(
        tmp_path,
        {
            **_pair("lora_unet_a"),
            **_pair("lora_unet_a", "lora_B.weight", "lora_A.weight"),
            **_pair("diffusion_model.a", "lora_B.style.weight", "lora_A.style.weight"),
            "diffusion_model.a.diff": ONES(4, 4),
        },
    )
    names = {name: Target("a.weight") for name in ("lora_unet_a", "diffusion_model.a")}
    changed = patched({"a.weight": torch.zeros(4, 4)}, names, [(lora, 0.5)])
    assert torch.equal(changed["a.weight"], torch.full((4, 4), 1.0))


def test_what_is_for_the_bias_stands_beside_the_layer(tmp_path: Path) -> None:
    lora = _read(
        tmp_path,
        {
            "a.diff": ONES(4, 4),
            "a.diff_b": ONES(4),
            "norm.w_norm": ONES(4),
            "norm.b_norm": ONES(4),
            **_pair("b", "lora_B.weight", "lora_A.weight"),
            "b.lora_B.bias": ONES(4),
        },
    )
    full = ["full difference"]
    assert _kinds(lora) == {
        "a": full,
        "a.bias": full,
        "norm": full,
        "norm.bias": full,
        "b": ["LoRA"],
        "b.bias": full,
    }
    names = {"b": Target("b.weight", (0, 4, 4))}
    weights = {"b.weight": torch.zeros(12, 4), "b.bias": torch.zeros(12)}
    changed = patched(weights, names, [(lora, 1.0)])
    assert changed["b.bias"].tolist() == [0.0] * 4 + [1.0] * 4 + [0.0] * 4
    assert changed["b.weight"].sum() == 16


def test_leftovers_and_packed_embeddings_are_kept_apart(tmp_path: Path) -> None:
    lora = _read(
        tmp_path,
        {**_pair("a"), "b.alpha": ONES(()), "c.new_kind": ONES(2), "bundle_emb.cat.clip_l": ONES(1, 8)},
    )
    assert _kinds(lora) == {"a": ["LoRA"]}
    assert set(lora.unknown_keys) == {"b.alpha", "c.new_kind"}
    assert lora.embeddings == ("cat",)


def test_a_role_no_formula_takes_leaves_its_whole_layer_to_the_host(tmp_path: Path) -> None:
    lora = _read(tmp_path, {**_pair("a"), "b.diff": ONES(4, 4), "b.dora_scale": ONES(4, 1)})
    assert _kinds(lora) == {"a": ["LoRA"]}
    assert set(lora.leftovers) == {"b.diff", "b.dora_scale"}


def test_a_file_of_an_unknown_kind_is_kept_only_for_a_host(tmp_path: Path) -> None:
    tensors = {"a.new_kind": ONES(2)}
    assert set(_read(tmp_path, tensors, keep_foreign=True).leftovers) == {"a.new_kind"}
    with pytest.raises(NotALora, match=r"a\.new_kind"):
        _read(tmp_path, tensors)


def test_factors_computed_from_the_file_count_as_memory(tmp_path: Path) -> None:
    plain = _read(tmp_path, _pair("a"))
    assert plain.size == 2 * 4 * 4
    core = {
        "a.lora_up.weight": ONES(4, 2, 1, 1),
        "a.lora_mid.weight": ONES(2, 2, 3, 3),
        "a.lora_down.weight": ONES(2, 4, 1, 1),
    }
    stored = sum(tensor.nbytes for tensor in core.values())
    assert _read(tmp_path, core).size == stored + 2 * 4 * 9 * 4


def test_a_renamed_key_is_named_as_it_stands_in_the_file(tmp_path: Path) -> None:
    tensors = {
        "img_in.lora_A.weight": ONES(2, 8),
        "img_in.lora_B.weight": ONES(4, 2),
        "single_blocks.0.norm.key_norm.scale": ONES(4),
        "txt_in.lora_B.weight": ONES(4, 2),
    }
    with pytest.raises(BrokenFile) as raised:
        _read(tmp_path, tensors)
    assert raised.value.key == "txt_in.lora_B.weight"


def test_ranks_and_kinds_are_counted(tmp_path: Path) -> None:
    lora = _read(tmp_path, {**_pair("a"), **_pair("b"), "c.oft_blocks": torch.zeros(2, 2, 2)})
    assert {kind: dict(ranks) for kind, ranks in lora.kinds.items()} == {"LoRA": {1: 2}, "OFT": {None: 1}}


def test_heads_side_by_side_are_put_part_by_part(tmp_path: Path) -> None:
    """DiffSynth-Studio's MiniMax-H3: row i of part p of head h is at 384 h + 128 p + i."""
    heads, rank = 3, 2
    up = torch.rand(heads * 3 * 128, rank)
    layer, suffix = "blocks.0.attn.qkv_proj", "default.weight"
    tensors = {f"{layer}.lora_A.{suffix}": torch.rand(rank, 5), f"{layer}.lora_B.{suffix}": up}
    lora = _read(tmp_path, tensors)
    order = [
        384 * head + 128 * part + row for part in range(3) for head in range(heads) for row in range(128)
    ]
    expected = up[order] @ tensors[f"{layer}.lora_A.{suffix}"]
    partial = PartialLora(tmp_path / "style.safetensors")
    for one in (lora, partial.layers([layer])):
        (adapter,) = one.layers[layer]
        assert torch.equal(adapter.factors().up @ adapter.factors().down, expected)
    assert any("head by head" in note for note in partial.outline.notes)
    plain = _read(tmp_path, {key.replace(".default", ""): tensor for key, tensor in tensors.items()})
    assert torch.equal(plain.layers[layer][0].factors().up, up)
