"""Layers changed in the forward pass against the same layers with merged weights, row by row.

The oracle is torch's own forward of a module whose weight the adapters' `apply` has changed, one row and one
set of strengths at a time (what `apply` itself does is checked against the trainers' formulas elsewhere).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from kinds import ADDITIVE, EVERY, OF_WEIGHT, Numbers, make
from torch import Tensor, nn

from lora_core.adapters import Adapter
from lora_core.adapters.full import Difference
from lora_core.adapters.low_rank import LowRank
from lora_core.errors import NotSweepable
from lora_core.key_maps.key_map import Target
from lora_core.live import Dispatcher, LiveLayer, PlainTorch, Strengths, publish
from lora_core.live.plan import LivePart

ROWS = 3
TOLERANCE = 2e-6


def swap_halves(change: Tensor) -> Tensor:
    first, second = change.chunk(2)
    return torch.cat([second, first])


def _random(module: nn.Module, seed: int = 3) -> nn.Module:
    numbers = Numbers(seed)
    for parameter in module.parameters():
        parameter.data = numbers(*parameter.shape)
        parameter.requires_grad_(False)
    return module


MODULES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(12, 8), (ROWS, 5, 12)),
    "linear without bias": (lambda: nn.Linear(12, 8, bias=False), (ROWS, 12)),
    "conv": (lambda: nn.Conv2d(4, 8, 3, stride=2, padding=1, dilation=2), (ROWS, 4, 9, 7)),
    "conv 1x1": (lambda: nn.Conv2d(12, 8, 1), (ROWS, 12, 5, 5)),
    "conv, mirrored edges": (lambda: nn.Conv2d(4, 8, 3, padding=1, padding_mode="reflect"), (ROWS, 4, 6, 6)),
    "conv in groups": (lambda: nn.Conv2d(8, 8, 3, groups=2, padding=1), (ROWS, 8, 6, 6)),
    "conv 1d": (lambda: nn.Conv1d(4, 8, 3, padding=1), (ROWS, 4, 9)),
    "conv 3d": (lambda: nn.Conv3d(4, 8, (1, 3, 3), padding=(0, 1, 1)), (ROWS, 4, 3, 6, 6)),
}


def _merged(module: nn.Module, parts: Sequence[LivePart], strengths: Sequence[float]) -> nn.Module:
    """A copy of the module with the changes in its weights, in float32."""
    module = copy.deepcopy(module)
    module.__dict__.pop("forward", None)
    for part, strength in zip(parts, strengths, strict=True):
        if strength:
            parameter = module.get_parameter(part.parameter)
            place = part.target.offset
            view = parameter.data if place is None else parameter.data.narrow(*place)
            assert not hasattr(part.adapter, "patch")
            part.adapter.apply(view, strength * part.factor, torch.float32, part.target.function)
    return module


def _assert_rows(module: nn.Module, parts: Sequence[LivePart], x: Tensor, table: Tensor) -> None:
    """Row k of the live layer is the layer merged at column k of `table`, (parts, rows)."""
    layer = LiveLayer(module, "layer", parts, PlainTorch())
    before = {name: value.clone() for name, value in module.state_dict().items()}
    plain = module(x)
    Dispatcher.install("stack", layer)
    with publish("stack", Strengths.of(table)):
        made = module(x)
    for row in range(len(x)):
        column = table[:, row if table.ndim == 2 else ...].tolist()
        wanted = _merged(module, parts, column)(x[row : row + 1])[0]
        assert (made[row] - wanted).abs().max() <= TOLERANCE * wanted.abs().max().clamp_min(1)
        if any(column):
            assert (wanted - plain[row]).abs().max() > 1e-2 * plain[row].abs().max()
    assert torch.equal(module(x), plain), "acts without published strengths"
    Dispatcher.remove("stack", layer)
    assert "forward" not in module.__dict__
    assert all(torch.equal(module.state_dict()[name], before[name]) for name in before)


def _weight_part(entry: int, adapter: Adapter, **target: Any) -> LivePart:
    return LivePart(entry, Target("layer.weight", **target), adapter, 1.0 + entry / 2)


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("name", MODULES)
def test_every_row_has_its_strength(name: str, kind: str) -> None:
    build, shape = MODULES[name]
    module = _random(build())
    weight_shape = tuple(module.get_parameter("weight").shape)
    parts = [_weight_part(entry, make(kind, weight_shape, entry)) for entry in range(2)]
    x = Numbers(9)(*shape)
    _assert_rows(module, parts, x, torch.tensor([[0.7, 0.0, -1.2], [0.4, 0.0, 0.0]]))
    _assert_rows(module, parts, x, torch.tensor([0.7, -0.2]))


def test_which_kinds_are_added_to_the_output() -> None:
    for kind in EVERY:
        module = nn.Linear(12, 8)
        layer = LiveLayer(module, "layer", [_weight_part(0, make(kind, (8, 12)))], PlainTorch())
        assert layer.is_additive == (kind in ADDITIVE), kind


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("name", ["linear", "conv"])
@pytest.mark.parametrize("offset", [(0, 4, 4), (1, 2, 2)])
def test_a_slice_of_a_fused_weight(name: str, kind: str, offset: tuple[int, int, int]) -> None:
    build, shape = MODULES[name]
    module = _random(build())
    sliced = list(module.get_parameter("weight").shape)
    sliced[offset[0]] = offset[2]
    whole = make("LoRA", tuple(module.get_parameter("weight").shape), 5)
    parts = [_weight_part(0, make(kind, tuple(sliced)), offset=offset), _weight_part(1, whole)]
    _assert_rows(module, parts, Numbers(9)(*shape), torch.tensor([[0.7, 0.0, -1.2], [0.4, 0.3, 0.0]]))


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("name", ["linear", "conv"])
def test_a_target_that_reorders_the_change(name: str, kind: str) -> None:
    build, shape = MODULES[name]
    module = _random(build())
    adapter = make(kind, tuple(module.get_parameter("weight").shape))
    parts = [_weight_part(0, adapter, function=swap_halves)]
    _assert_rows(module, parts, Numbers(9)(*shape), torch.tensor([[0.7, 0.0, -1.2]]))


@pytest.mark.parametrize("later", OF_WEIGHT)
def test_the_order_of_the_stack_is_kept(later: str) -> None:
    module = _random(nn.Linear(12, 8))
    first, second = make("LoRA", (8, 12), 1), make("LoHa", (8, 12), 2)
    parts = [_weight_part(0, first), _weight_part(1, make(later, (8, 12))), _weight_part(0, second)]
    strengths = torch.tensor([[0.7, 0.5, 1.0], [0.4, -1.0, 0.0]])
    table = strengths[[0, 1, 0]]
    layer = LiveLayer(module, "layer", parts, PlainTorch())
    Dispatcher.install("stack", layer)
    x = Numbers(9)(ROWS, 12)
    with publish("stack", Strengths.of(strengths)):
        made = module(x)
    for row in range(ROWS):
        wanted = _merged(module, parts, table[:, row].tolist())(x[row])
        assert (made[row] - wanted).abs().max() <= TOLERANCE * wanted.abs().max()


def test_biases_with_and_without_slices() -> None:
    for name in ("linear", "conv"):
        build, shape = MODULES[name]
        module, n = _random(build()), Numbers(4)
        parts = [
            LivePart(0, Target("layer.bias"), Difference(n(8), 0.5)),
            LivePart(1, Target("layer.bias", (0, 4, 4)), Difference(n(4))),
            _weight_part(0, make("LoRA", tuple(module.get_parameter("weight").shape))),
        ]
        layer = LiveLayer(module, "layer", parts, PlainTorch())
        assert layer.is_additive
        Dispatcher.install("stack", layer)
        strengths = torch.tensor([[0.7, 0.0, -1.2], [0.4, 0.3, 0.0]])
        x = n(*shape)
        with publish("stack", Strengths.of(strengths)):
            made = module(x)
        for row in range(ROWS):
            wanted = _merged(module, parts, strengths[[0, 1, 0], row].tolist())(x[row : row + 1])[0]
            assert (made[row] - wanted).abs().max() <= TOLERANCE * wanted.abs().max()


@pytest.mark.parametrize(
    "build", [lambda: nn.LayerNorm(12), lambda: nn.RMSNorm(12), lambda: nn.GroupNorm(3, 12)]
)
def test_norms(build: Callable[[], nn.Module]) -> None:
    module, n = _random(build()), Numbers(4)
    parts = [LivePart(0, Target("layer.weight"), Difference(n(12)))]
    _assert_rows(module, parts, n(ROWS, 12, 12), torch.tensor([[0.7, 0.0, -1.2]]))


def test_embeddings() -> None:
    module, n = _random(nn.Embedding(10, 6)), Numbers(4)
    parts = [LivePart(0, Target("layer.weight"), LowRank(n(10, 2), n(2, 6), 0.5))]
    _assert_rows(module, parts, torch.tensor([[1, 2], [3, 2], [9, 0]]), torch.tensor([[0.7, 0.0, -1.2]]))


@pytest.mark.parametrize("kind", ["LoRA", "OFT"])
def test_rows_that_are_not_the_batchs_are_refused_by_name(kind: str) -> None:
    module = _random(nn.Linear(12, 8))
    layer = LiveLayer(module, "blocks.3.to_q", [_weight_part(0, make(kind, (8, 12)))], PlainTorch())
    Dispatcher.install("stack", layer)
    with publish("stack", Strengths.of(torch.tensor([[0.5, 1.0]]))):
        for rows in (1, 3, 4):
            with pytest.raises(NotSweepable, match=r"blocks\.3\.to_q"):
                module(torch.ones(rows, 12))
    with publish("stack", Strengths.of(torch.tensor([[0.5, 0.5]]))):
        module(torch.ones(1, 12))


@pytest.mark.parametrize("kind", ["LoRA", "OFT"])
def test_rows_known_to_be_folded_repeat_in_place(kind: str) -> None:
    module = _random(nn.Linear(12, 8))
    parts = [_weight_part(0, make(kind, (8, 12)))]
    Dispatcher.install("stack", LiveLayer(module, "layer", parts, PlainTorch(), rows="folded"))
    x = Numbers(9)(6, 12)
    with publish("stack", Strengths.of(torch.tensor([[0.5, 1.0]]))):
        made = module(x)
    for row, strength in enumerate([0.5, 0.5, 0.5, 1.0, 1.0, 1.0]):
        wanted = _merged(module, parts, [strength])(x[row])
        assert (made[row] - wanted).abs().max() <= TOLERANCE * wanted.abs().max()


def test_rows_in_no_order_are_refused_though_their_number_fits() -> None:
    module = _random(nn.Linear(12, 8))
    layer = LiveLayer(module, "layer", [_weight_part(0, make("LoRA", (8, 12)))], PlainTorch(), rows="mixed")
    Dispatcher.install("stack", layer)
    with publish("stack", Strengths.of(torch.tensor([[0.5, 1.0]]))), pytest.raises(NotSweepable):
        module(torch.ones(2, 12))
    with publish("stack", Strengths.of(torch.tensor([0.5]))):
        module(torch.ones(2, 12))
