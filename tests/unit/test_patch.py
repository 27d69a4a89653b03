"""Fusing: the maths of a run against a plain sum, and what may be joined with what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from lora_core.adapters import Adapter, pack, unpack
from lora_core.adapters.low_rank import LowRank, LowRankRun
from lora_core.applying.matching import Foreign, Match, match
from lora_core.applying.patch import ForeignStep, Step, fuse
from lora_core.errors import ShapeMismatch
from lora_core.key_maps.key_map import KeyMap, Target
from lora_core.reading.files import Stamp
from lora_core.reading.lora import Lora

WEIGHT = Target("w.weight")


def _lora(layers: Mapping[str, Adapter]) -> Lora:
    held = {name: (adapter,) for name, adapter in layers.items()}
    return Lora(Stamp(Path("test.safetensors"), 0, 0), {}, held, {}, 0)


def _match(adapter: Adapter | Foreign, target: Target = WEIGHT) -> Match:
    if isinstance(adapter, Foreign):
        return Match(_lora({}), {}, (), {target: adapter})
    return Match(_lora({"w": adapter}), {"w": target}, ())


def _low_rank(shape: tuple[int, ...], rank: int, seed: int, dtype: torch.dtype = torch.float32) -> LowRank:
    generator = torch.Generator().manual_seed(seed)
    out, *rest = shape
    up = torch.randn(out, rank, *[1] * (len(rest) - 1), generator=generator)
    down = torch.randn(rank, *rest, generator=generator)
    return LowRank(up.to(dtype), down.to(dtype), 0.5)


def _delta(adapter: LowRank, shape: tuple[int, ...]) -> Tensor:
    return (adapter.scale * adapter.up.double().flatten(1) @ adapter.down.double().flatten(1)).view(shape)


@pytest.mark.parametrize("shape", [(24, 16), (12, 8, 3, 3)], ids=["linear", "conv"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_run_is_the_sum_of_its_loras(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    adapters = [_low_rank(shape, rank, seed=rank, dtype=dtype) for rank in (1, 4, 7)]
    strengths = [0.8, -1.5, 0.1]
    weight = torch.randn(shape)
    wanted = weight.double() + sum(s * _delta(a, shape) for s, a in zip(strengths, adapters, strict=True))
    (step,) = fuse([_match(a) for a in adapters]).at(strengths)["w.weight"]
    assert isinstance(step, Step)
    result = step.adapter.apply(weight, step.strength, torch.float32)
    assert result is weight
    assert (result - wanted).abs().max() <= 1e-6 * wanted.abs().max()


FLOAT8 = (torch.float8_e4m3fn, torch.float8_e5m2)


@pytest.mark.parametrize(
    "dtypes",
    [(FLOAT8[0],), (FLOAT8[0],) * 2, FLOAT8, (FLOAT8[1], torch.bfloat16), (torch.float32, FLOAT8[0])],
    ids=str,
)
def test_a_run_takes_float8_alone_and_among_others(dtypes: tuple[torch.dtype, ...]) -> None:
    """Of float8, torch promotes nothing and multiplies nothing."""
    shape, strengths = (24, 16), [0.8, -1.5][: len(dtypes)]
    adapters = [_low_rank(shape, 4, seed=seed, dtype=dtype) for seed, dtype in enumerate(dtypes)]
    weight = torch.randn(shape)
    wanted = weight.double() + sum(s * _delta(a, shape) for s, a in zip(strengths, adapters, strict=True))
    (step,) = fuse([_match(a) for a in adapters]).at(strengths)["w.weight"]
    assert isinstance(step, Step)
    result = step.adapter.apply(weight, step.strength, torch.float32)
    assert (result - wanted).abs().max() <= 1e-6 * wanted.abs().max()


@pytest.mark.parametrize("weight_dtype", [torch.float16, torch.bfloat16])
def test_a_product_in_another_dtype_is_added_after_it_is_whole(weight_dtype: torch.dtype) -> None:
    adapter = _low_rank((24, 16), 4, seed=0)
    weight = torch.randn(24, 16).to(weight_dtype)
    wanted = (weight.float() + 0.7 * _delta(adapter, (24, 16)).float()).to(weight_dtype)
    result = adapter.apply(weight.clone(), 0.7, torch.float32)
    torch.testing.assert_close(result, wanted, rtol=torch.finfo(weight_dtype).eps, atol=1e-6)


def test_a_weight_in_another_memory_layout_is_changed_in_place() -> None:
    adapter = _low_rank((12, 8, 3, 3), 4, seed=0)
    weight = torch.randn(12, 8, 3, 3)
    wanted = weight + 2 * _delta(adapter, weight.shape).float()
    laid_out = weight.clone(memory_format=torch.channels_last)
    assert adapter.apply(laid_out, 2.0, torch.float32) is laid_out
    torch.testing.assert_close(laid_out, wanted)


@pytest.mark.parametrize("dimension", [0, 1])
def test_a_slice_changes_only_itself(dimension: int) -> None:
    weight = torch.randn(12, 12)
    before = weight.clone()
    part = weight.narrow(dimension, 4, 4)
    adapter = _low_rank(tuple(part.shape), 2, seed=0)
    adapter.apply(part, 1.0, torch.float32)
    torch.testing.assert_close(part, before.narrow(dimension, 4, 4) + _delta(adapter, part.shape).float())
    untouched = torch.ones_like(weight, dtype=torch.bool)
    untouched.narrow(dimension, 4, 4).fill_(False)
    assert torch.equal(weight[untouched], before[untouched])


def test_a_reordering_target_reorders_the_change_and_not_the_weight() -> None:
    adapter = _low_rank((4, 6), 2, seed=0)
    weight = torch.randn(4, 6)
    wanted = weight + _delta(adapter, (4, 6)).float().flip(0)
    torch.testing.assert_close(
        adapter.apply(weight, 1.0, torch.float32, lambda change: change.flip(0)), wanted
    )


def test_new_strengths_need_no_new_factors() -> None:
    fused = fuse([_match(_low_rank((8, 8), 2, seed)) for seed in range(3)])
    first, second = (fused.at([s, s, s])["w.weight"][0] for s in (1.0, 0.5))
    assert isinstance(first, Step)
    assert isinstance(second, Step)
    assert isinstance(first.adapter, LowRankRun)
    assert isinstance(second.adapter, LowRankRun)
    assert first.adapter.up is second.adapter.up
    assert torch.equal(second.adapter.scales, first.adapter.scales / 2)


def test_one_lora_alone_is_used_where_it_lies() -> None:
    adapter = _low_rank((8, 8), 2, seed=0)
    fused = fuse([_match(adapter)])
    (step,) = fused.at([1.0])["w.weight"]
    assert isinstance(step, Step)
    assert isinstance(step.adapter, LowRankRun)
    assert step.adapter.up.data_ptr() == adapter.up.data_ptr()
    assert fused.size == 0


@dataclass(frozen=True, eq=False)
class _Doubling(Adapter):
    """A formula whose result depends on the weight, and so on its place in the order."""

    kind: ClassVar[str] = "test"
    needs_weight: ClassVar[bool] = True
    unlike_host: ClassVar[str] = ""
    rank: ClassVar[None] = None
    change_shape: ClassVar[None] = None

    def fits(self, shape: tuple[int, ...]) -> bool:
        return True

    def apply(self, weight: Tensor, strength: float, dtype: torch.dtype, reorder: object = None) -> Tensor:
        return weight.mul_(1 + strength)


def test_what_depends_on_the_weight_keeps_its_place() -> None:
    plain = [_low_rank((8, 8), 2, seed) for seed in range(3)]
    fused = fuse([_match(plain[0]), _match(plain[1]), _match(_Doubling()), _match(plain[2])])
    steps = fused.at([1.0, 1.0, 1.0, 1.0])["w.weight"]
    kinds = [type(step.adapter) for step in steps]
    assert kinds == [LowRankRun, _Doubling, LowRankRun]
    weight = torch.randn(8, 8)
    wanted = 2 * (weight + _delta(plain[0], (8, 8)) + _delta(plain[1], (8, 8))) + _delta(plain[2], (8, 8))
    for step in steps:
        assert isinstance(step, Step)
        weight = step.adapter.apply(weight, step.strength, torch.float32)
    torch.testing.assert_close(weight, wanted.float())


def test_what_we_have_no_formula_for_keeps_its_place_and_strength() -> None:
    foreign = Foreign(object(), frozenset())
    fused = fuse([_match(_low_rank((8, 8), 2, 0)), _match(foreign), _match(_low_rank((8, 8), 2, 1))])
    first, middle, last = fused.at([1.0, -0.5, 1.0])["w.weight"]
    assert isinstance(middle, ForeignStep)
    assert (middle.adapter, middle.strength) == (foreign, -0.5)
    assert isinstance(first, Step)
    assert isinstance(last, Step)


def test_packing_goes_through_tuples_of_tensors_and_numbers() -> None:
    adapter = _low_rank((8, 8), 2, seed=0)
    packed = pack(adapter)
    assert isinstance(packed, tuple)
    assert all(isinstance(value, (Tensor, float, str)) for value in packed)
    assert vars(unpack(packed)) == vars(adapter)


def test_layers_are_matched_by_name_and_shape() -> None:
    slice_target = Target("b.weight", (0, 4, 4))
    key_map = KeyMap(
        {"a": Target("a.weight"), "b": slice_target, "c": Target("c.weight")},
        {"a.weight": (8, 6), "b.weight": (12, 6)},
    )
    layers = {
        name: _low_rank(shape, 2, 0)
        for name, shape in {"a": (8, 6), "b": (4, 6), "c": (5, 5), "d": (8, 6)}.items()
    }
    found = match(_lora(layers), key_map)
    assert dict(found.layers) == {"a": Target("a.weight"), "b": slice_target, "c": Target("c.weight")}
    assert found.misfits == ()


def test_a_layer_of_another_shape_is_named_with_both_shapes() -> None:
    key_map = KeyMap({"a": Target("a.weight")}, {"a.weight": (8, 6)})
    found = match(_lora({"a": _low_rank((8, 5), 2, 0)}), key_map)
    assert found.layers == {}
    with pytest.raises(ShapeMismatch, match=r"test\.safetensors: a makes a change of \(8, 5\).*\(8, 6\)"):
        found.require_fit()
