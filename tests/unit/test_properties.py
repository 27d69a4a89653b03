"""What must hold for any numbers: linear kinds add, order matters only where the maths says so, slices and
whole agree, and nothing but the weight changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import kinds
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lora_core.adapters import Adapter, pack, unpack
from lora_core.adapters.dora import DoRA, PeftDoRA
from lora_core.adapters.full import Difference
from lora_core.adapters.glora import GLoRA
from lora_core.adapters.ia3 import IA3
from lora_core.adapters.loha import LoHa
from lora_core.adapters.low_rank import LowRank
from lora_core.adapters.padded import Padded
from lora_core.applying.matching import Match
from lora_core.applying.patch import Step, fuse
from lora_core.key_maps.key_map import Target
from lora_core.reading.files import Stamp
from lora_core.reading.lora import Lora

FLOAT = torch.float32
SHAPES = ((8, 6), (8, 6, 3), (8, 6, 3, 3), (8, 4, 2, 3, 3))
DIMENSIONS = ["linear", "conv1d", "conv2d", "conv3d"]
strengths = st.floats(-2, 2, allow_nan=False, width=32)
seeds = st.integers(0, 1000)
shapes = st.sampled_from(SHAPES)
few = settings(max_examples=25)


def _weight(shape: Sequence[int]) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(99))


def _close(first: Tensor, second: Tensor, tolerance: float = 1e-5) -> None:
    assert (first - second).abs().max() <= tolerance * max(1.0, second.abs().max().item())


def _match(adapter: Adapter, target: Target) -> Match:
    lora = Lora(Stamp(Path("test.safetensors"), 0, 0), {}, {"w": (adapter,)}, {}, 0)
    return Match(lora, {"w": target}, ())


@pytest.mark.parametrize("kind", kinds.ADDITIVE)
@few
@given(shape=shapes, first=strengths, second=strengths, seed=seeds)
def test_additive_kinds_are_linear_in_strength(
    kind: str, shape: tuple[int, ...], first: float, second: float, seed: int
) -> None:
    adapter = kinds.make(kind, shape, seed)
    assert not adapter.needs_weight
    at_once = adapter.apply(_weight(shape), first + second, FLOAT)
    one_by_one = adapter.apply(adapter.apply(_weight(shape), first, FLOAT), second, FLOAT)
    _close(at_once, one_by_one)
    _close(adapter.apply(one_by_one, -first - second, FLOAT), _weight(shape))
    assert torch.equal(adapter.apply(_weight(shape), 0.0, FLOAT), _weight(shape))


@few
@given(
    first=st.sampled_from(sorted(kinds.ADDITIVE)),
    second=st.sampled_from(sorted(kinds.ADDITIVE)),
    shape=shapes,
    strength=strengths,
)
def test_additive_kinds_commute(first: str, second: str, shape: tuple[int, ...], strength: float) -> None:
    one, other = kinds.make(first, shape, 1), kinds.make(second, shape, 2)
    _close(
        other.apply(one.apply(_weight(shape), strength, FLOAT), 0.7, FLOAT),
        one.apply(other.apply(_weight(shape), 0.7, FLOAT), strength, FLOAT),
    )


@pytest.mark.parametrize("kind", kinds.OF_WEIGHT)
def test_the_other_kinds_depend_on_what_they_meet(kind: str) -> None:
    """So `needs_weight` is no more than the truth: swapped with a plain LoRA, the result is another."""
    shape = (8, 6)
    plain, other = kinds.make("LoRA", shape, 1), kinds.make(kind, shape, 2)
    assert other.needs_weight
    before = other.apply(plain.apply(_weight(shape), 1.0, FLOAT), 0.7, FLOAT)
    after = plain.apply(other.apply(_weight(shape), 0.7, FLOAT), 1.0, FLOAT)
    assert (before - after).abs().max() > 1e-2


WHOLE, MIDDLE, COLUMNS = Target("w.weight"), Target("w.weight", (0, 4, 4)), Target("w.weight", (1, 2, 4))
PARTS = {WHOLE: (8, 6), MIDDLE: (4, 6), COLUMNS: (8, 4)}


@settings(max_examples=80)
@given(
    entries=st.lists(
        st.tuples(st.sampled_from(sorted(kinds.EVERY)), st.sampled_from(list(PARTS)), strengths, seeds),
        min_size=1,
        max_size=6,
    )
)
def test_a_fused_stack_is_its_entries_one_after_another(
    entries: list[tuple[str, Target, float, int]],
) -> None:
    """Whole weights and slices of rows and columns in one order, any kinds mixed."""
    made = [(kinds.make(kind, PARTS[target], seed), target) for kind, target, _, seed in entries]
    numbers = [strength for _, _, strength, _ in entries]
    wanted, fused = _weight((8, 6)), _weight((8, 6))
    for (adapter, target), strength in zip(made, numbers, strict=True):
        adapter.apply(_part(wanted, target), strength, FLOAT)
    for step in fuse([_match(*pair) for pair in made]).at(numbers)["w.weight"]:
        assert isinstance(step, Step)
        step.adapter.apply(_part(fused, step.target), step.strength, FLOAT)
    _close(fused, wanted, 1e-4)


def _part(weight: Tensor, target: Target) -> Tensor:
    return weight if target.offset is None else weight.narrow(*target.offset)


def _rows(adapter: Adapter, rows: slice) -> Adapter:
    """The same change of some of the rows alone, as a file with q, k and v apart holds it."""
    match adapter:
        case LowRank(up, down, scale):
            return LowRank(up[rows], down, scale)
        case LoHa(w1_a, w1_b, w2_a, w2_b, scale):
            return LoHa(w1_a[rows], w1_b, w2_a[rows], w2_b, scale)
        case GLoRA(a1, a2, b1, b2, scale):
            return GLoRA(a1, a2, b1[rows], b2, scale)
        case Difference(difference, scale):
            return Difference(difference[rows], scale)
        case IA3(vector, on_input):
            return IA3(vector if on_input else vector[rows], on_input)
        case DoRA(inner, magnitude, False):
            return DoRA(_rows(inner, rows), magnitude[rows], False)
        case PeftDoRA(inner, magnitude):
            return PeftDoRA(_rows(inner, rows), magnitude[rows])
    raise AssertionError(adapter.kind)


BY_ROW = ("LoRA", "LoHa", "GLoRA", "difference", "IA3 outputs", "IA3 inputs", "DoRA rows", "PEFT DoRA")


@pytest.mark.parametrize("kind", BY_ROW)
@few
@given(shape=shapes, strength=strengths, seed=seeds)
def test_slices_and_whole_agree(kind: str, shape: tuple[int, ...], strength: float, seed: int) -> None:
    adapter = kinds.make(kind, shape, seed)
    whole, sliced = adapter.apply(_weight(shape), strength, FLOAT), _weight(shape)
    for start in (0, 4):
        _rows(adapter, slice(start, start + 4)).apply(sliced.narrow(0, start, 4), strength, FLOAT)
    _close(sliced, whole)


def _swap(change: Tensor) -> Tensor:
    """As the host's maps reorder scale and shift: the halves of the rows change places."""
    return torch.cat(change.chunk(2)[::-1])


@pytest.mark.parametrize("kind", kinds.EVERY)
@pytest.mark.parametrize("shape", SHAPES, ids=DIMENSIONS)
def test_a_reordered_target_is_the_same_change_in_another_order(kind: str, shape: tuple[int, ...]) -> None:
    """The file's rows are the trainer's; the model has them swapped."""
    adapter = kinds.make(kind, shape)
    wanted = _swap(adapter.apply(_swap(_weight(shape)), 0.7, FLOAT))
    _close(adapter.apply(_weight(shape), 0.7, FLOAT, _swap), wanted)


@pytest.mark.parametrize("kind", kinds.EVERY)
@pytest.mark.parametrize("shape", SHAPES, ids=DIMENSIONS)
def test_nothing_but_the_weight_changes_and_it_in_place(kind: str, shape: tuple[int, ...]) -> None:
    adapter = kinds.make(kind, shape)
    assert adapter.fits(shape)
    weight = _weight(shape)
    first = adapter.apply(weight, 0.7, FLOAT)
    assert first is weight
    assert torch.equal(first, kinds.make(kind, shape).apply(_weight(shape), 0.7, FLOAT))
    assert torch.equal(first, adapter.apply(_weight(shape), 0.7, FLOAT)), "a second use is another"
    assert torch.equal(first, unpack(pack(adapter)).apply(_weight(shape), 0.7, FLOAT))


@pytest.mark.parametrize("kind", kinds.EVERY)
@pytest.mark.parametrize("shape", SHAPES, ids=DIMENSIONS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])
def test_weights_and_maths_in_half_precision(kind: str, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    """As the host patches with little memory: in the weight's own dtype."""
    adapter = kinds.make(kind, shape)
    wanted = adapter.apply(_weight(shape).to(dtype).float(), 0.7, FLOAT)
    for intermediate in (dtype, FLOAT):
        result = adapter.apply(_weight(shape).to(dtype), 0.7, intermediate)
        assert result.dtype == dtype
        _close(result.float(), wanted, 16 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("kind", kinds.EVERY)
def test_other_memory_layouts(kind: str) -> None:
    linear, conv = kinds.make(kind, (8, 6)), kinds.make(kind, (8, 6, 3, 3))
    around = torch.zeros(8, 10)
    part = around.narrow(1, 2, 6).copy_(_weight((8, 6)))
    linear.apply(part, 0.7, FLOAT)
    _close(part, linear.apply(_weight((8, 6)), 0.7, FLOAT))
    assert not around[:, :2].any()
    assert not around[:, 8:].any()
    last = _weight((8, 6, 3, 3)).contiguous(memory_format=torch.channels_last)
    _close(conv.apply(last, 0.7, FLOAT), conv.apply(_weight((8, 6, 3, 3)), 0.7, FLOAT))


def test_a_growing_weight_comes_after_what_was_made_for_its_old_shape() -> None:
    grown = Padded(LowRank(torch.ones(8, 1), torch.ones(1, 9), 1.0), (8, 9))
    plain = kinds.make("LoRA", (8, 6))
    weight = _weight((8, 6))
    wanted = torch.ones(8, 9)
    wanted[:, :6] += plain.apply(weight.clone(), 1.0, FLOAT)
    for step in fuse([_match(grown, WHOLE), _match(plain, WHOLE)]).at([1.0, 1.0])["w.weight"]:
        assert isinstance(step, Step)
        weight = step.adapter.apply(weight, step.strength, FLOAT)
    _close(weight, wanted)
    twice = grown.apply(weight, 1.0, FLOAT)
    assert twice is weight
    _close(twice, wanted + 1)
