"""The energy of a change, against the change built dense and summed up, and where it is put."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import kinds
import pytest
import torch
from torch import Tensor

from lora_core.adapters import Adapter
from lora_core.adapters.full import Difference
from lora_core.adapters.lokr import LoKr
from lora_core.adapters.low_rank import LowRank
from lora_core.adapters.padded import Padded
from lora_core.blocks import blocks_of_model
from lora_core.families import family
from lora_core.key_maps.file_family import family_of_file
from lora_core.key_maps.key_map import Target
from lora_core.key_maps.reverse import likely_key
from lora_core.reading.files import Stamp
from lora_core.reading.lora import Layers, Lora, rows_name
from lora_core.reports.change_energy import change_energy
from lora_core.reports.energy import Side, measure_alone, measure_on


def _rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).float()


def _lora(layers: Mapping[str, Adapter]) -> Lora:
    held = Layers({name: (adapter,) for name, adapter in layers.items()})
    return Lora(Stamp(Path("ink.safetensors"), 0, 0), {}, held, {}, 0)


def _square_sum(change: Tensor) -> float:
    return float((change.double() ** 2).sum())


@pytest.mark.parametrize("rank", [1, 4, 40])
def test_of_a_plain_lora_it_is_that_of_the_product(rank: int) -> None:
    up, down = _rand(24, rank), _rand(rank, 18, seed=1)
    wanted = _square_sum(0.25 * up.double() @ down.double())
    assert change_energy([LowRank(up, down, 0.25)]) == pytest.approx(wanted, rel=1e-6)


def test_of_a_convolution_too() -> None:
    up, down = _rand(8, 3, 1, 1), _rand(3, 5, 3, 3, seed=1)
    wanted = _square_sum(torch.einsum("or,rikl->oikl", up[:, :, 0, 0].double(), down.double()) * 2)
    assert change_energy([LowRank(up, down, 2.0)]) == pytest.approx(wanted, rel=1e-6)


def test_of_factors_that_cancel_it_is_nothing() -> None:
    up = torch.tensor([[1.0, 1.0]]).repeat(64, 1)
    down = torch.cat([_rand(1, 64), -_rand(1, 64)])
    assert change_energy([LowRank(up, down, 1.0)]) == pytest.approx(0.0, abs=1e-2)


@pytest.mark.parametrize("split", [False, True])
def test_of_a_kronecker_product(split: bool) -> None:
    left, a, b = _rand(4, 3), _rand(6, 2, seed=1), _rand(2, 5, seed=2)
    adapter = LoKr(left, None, a, b, 0.5) if split else LoKr(left, None, a @ b, None, 0.5)
    wanted = _square_sum(0.5 * torch.kron(left.double(), a.double() @ b.double()))
    assert change_energy([adapter]) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("kind", kinds.EVERY)
@pytest.mark.parametrize("shape", [(12, 8), (12, 8, 3, 3)], ids=["linear", "conv"])
def test_of_every_kind_it_is_that_of_what_it_does_to_a_weight(kind: str, shape: tuple[int, ...]) -> None:
    adapter = kinds.make(kind, shape)
    weight = _rand(*shape, seed=9)
    after = adapter.apply(weight.clone(), 1.0, torch.float32)
    wanted = _square_sum(after.double() - weight.double())
    assert wanted > 0
    assert change_energy([adapter], weight) == pytest.approx(wanted, rel=1e-4)
    alone = change_energy([adapter])
    assert (alone is None) == adapter.needs_weight
    if alone is not None:
        assert alone == pytest.approx(wanted, rel=1e-4)


def test_two_changes_of_one_weight_are_added_before_they_are_squared() -> None:
    first, second = LowRank(_rand(6, 2), _rand(2, 4, seed=1), 1.0), Difference(_rand(6, 4, seed=2))
    wanted = _square_sum(first.up.double() @ first.down.double() + second.difference.double())
    assert change_energy([first, second]) == pytest.approx(wanted, rel=1e-6)


def test_what_a_weight_grows_by_is_all_change() -> None:
    adapter, weight = Padded(LowRank(_rand(6, 2), _rand(2, 5, seed=1), 0.5), (6, 5)), _rand(4, 5, seed=2)
    wanted = _square_sum(0.5 * adapter.inner.up.double() @ adapter.inner.down.double())
    assert change_energy([adapter], weight) == pytest.approx(wanted, rel=1e-4)


BLOCK = "diffusion_model.{}.1.transformer_blocks.0.attn{}.to_k.weight"
SHAPES = {
    "diffusion_model.input_blocks.0.0.weight": (8, 4, 3, 3),
    BLOCK.format("input_blocks.4", 1): (8, 8),
    BLOCK.format("input_blocks.4", 2): (8, 768),
    BLOCK.format("output_blocks.3", 2): (8, 768),
}


def _on_a_model() -> tuple[Lora, dict[str, Tensor], Side]:
    weights = {key: _rand(*shape, seed=place) for place, (key, shape) in enumerate(SHAPES.items())}
    keys = [*SHAPES][1:]
    layers = {
        f"layer_{place}": LowRank(_rand(8, 2, seed=place), _rand(2, SHAPES[key][1], seed=place + 5), 1.0)
        for place, key in enumerate(keys)
    }
    targets = {f"layer_{place}": Target(key) for place, key in enumerate(keys)}
    side = Side(targets, blocks_of_model(SHAPES), lambda target: weights[target.key])
    return _lora({**layers, "lost": LowRank(_rand(8, 2), _rand(2, 3), 1.0)}), weights, side


def test_shares_and_ratios_of_blocks_are_those_of_the_dense_changes() -> None:
    lora, weights, side = _on_a_model()
    spectrum = measure_on(lora, [side])
    changes = {t.key: lora.layers[n][0].up @ lora.layers[n][0].down for n, t in side.layers.items()}  # type: ignore[attr-defined]
    energies = {key: _square_sum(change) for key, change in changes.items()}
    whole = sum(energies.values())
    in04 = [key for key in energies if "input_blocks.4." in key]
    blocks = {part.block: part for part in spectrum.blocks}
    assert [*blocks] == ["IN04", "OUT03"]
    assert blocks["IN04"].share == pytest.approx(sum(energies[key] for key in in04) / whole, rel=1e-5)
    weight = sum(_square_sum(weights[key]) for key in in04)
    wanted = (sum(energies[key] for key in in04) / weight) ** 0.5
    assert blocks["IN04"].relative == pytest.approx(wanted, rel=1e-5)
    assert sum(part.share for part in spectrum.parts) == pytest.approx(1.0)
    assert {part.element for part in spectrum.parts} == {"attn1.k", "attn2.k"}
    assert spectrum.unmatched == 1


def test_a_layer_said_twice_is_not_one_the_model_lacks() -> None:
    lora, _, side = _on_a_model()
    spectrum = measure_on(lora, [side._replace(repeats=frozenset({"lost"}))])
    assert spectrum.unmatched == 0


def test_rows_of_a_fused_layer_are_not_missing_from_a_model_that_keeps_them_apart() -> None:
    key = BLOCK.format("input_blocks.4", 1)
    lora = _lora({"fused": LowRank(_rand(24, 2), _rand(2, 8), 1.0)})
    targets = {rows_name("fused", start, 8): Target(f"{key}.{start}") for start in (0, 8, 16)}
    side = Side(targets, blocks_of_model({target.key: (8, 8) for target in targets.values()}), lambda _: None)
    assert measure_on(lora, [side]).unmatched == 0


def test_a_weight_that_cannot_be_seen_leaves_no_ratio() -> None:
    lora, _, side = _on_a_model()
    spectrum = measure_on(lora, [side._replace(weights=lambda _: None)])
    assert [part.relative for part in spectrum.blocks] == [None, None]


def test_without_a_model_blocks_follow_from_the_names() -> None:
    names = {
        "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k": 768,
        "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q": 8,
        "lora_unet_up_blocks_1_attentions_2_transformer_blocks_0_ff_net_0_proj": 8,
        "lora_te_text_model_encoder_layers_7_mlp_fc1": 8,
    }
    lora = _lora({name: LowRank(_rand(8, 2), _rand(2, width), 1.0) for name, width in names.items()})
    spectrum = measure_alone(lora, family_of_file({}, lora.widths))
    assert spectrum.family == "Stable Diffusion 1"
    assert [part.block for part in spectrum.blocks] == ["TE07", "IN04", "M00", "OUT05"]
    assert {part.element for part in spectrum.parts} >= {"attn2.k", "attn1.q", "ff.up"}


def test_without_a_model_slices_of_one_weight_are_not_taken_for_one_another() -> None:
    layers = {
        f"transformer.transformer_blocks.0.attn.to_{part}": LowRank(_rand(8, 2, seed=i), _rand(2, 8), 1.0)
        for i, part in enumerate("qkv")
    }
    lora = _lora(
        {
            **layers,
            "transformer.single_transformer_blocks.1.attn.to_q": LowRank(_rand(8, 2), _rand(2, 8), 1.0),
        }
    )
    spectrum = measure_alone(lora, family_of_file({"ss_base_model_version": "flux1"}, lora.widths))
    wanted = sum(_square_sum(adapter.up @ adapter.down) for adapter in layers.values())
    first = spectrum.blocks[0]
    assert (first.block, first.layers) == ("D00", 3)
    assert first.energy == pytest.approx(wanted, rel=1e-5)


def test_kinds_that_need_the_weight_are_counted_not_guessed() -> None:
    lora = _lora({"lora_unet_mid_block_attentions_0_proj_in": kinds.make("OFT", (12, 8))})
    spectrum = measure_alone(lora, family_of_file({}, lora.widths))
    assert spectrum.parts == ()
    assert [*spectrum.needs_weight.values()] == [1]


@pytest.mark.parametrize(
    ("layer", "id", "key"),
    [
        ("lora_unet_double_blocks_3_img_attn_qkv", "flux", "double_blocks.3.img_attn.qkv"),
        ("transformer.single_transformer_blocks.12.attn.to_q", "flux", "single_blocks.12.linear1"),
        ("lora_unet_blocks_3_ffn_0", "wan", "blocks.3.ffn.0"),
        ("diffusion_model.blocks.3.cross_attn.k_img", "wan", "blocks.3.cross_attn.k_img"),
        (
            "transformer.transformer_blocks.5.attn.to_add_out",
            "sd3",
            "joint_blocks.5.context_block.attn.proj",
        ),
        (
            "lora_unet_transformer_blocks_5_img_mlp_net_0_proj",
            "qwen_image",
            "transformer_blocks.5.img_mlp.net.0.proj",
        ),
        ("diffusion_model.layers.3.attention.to_q", "z_image", "layers.3.attention.qkv"),
    ],
)
def test_a_layer_name_leads_back_to_a_key(layer: str, id: str, key: str) -> None:
    assert likely_key(layer, family(id)) == f"diffusion_model.{key}.weight"
