"""Every kind of adapter against the host's own loader, and where the two are meant to differ.

Both sides get the same stored tensors and the same weight, through comfy.lora's `load_lora` and
`calculate_weight`. fp32: largest difference ≤ 1e-6 of the weight's largest value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import comfy.lora
import pytest
import torch
from lora_files import Numbers
from torch import Tensor

TOLERANCE = 1e-6
STRENGTHS = (-1.5, -1.0, 0.3, 1.0, 2.0)
LINEAR, CONV = (24, 40), (24, 8, 3, 3)

Tensors = dict[str, Tensor]


N = Numbers()
ALPHA = {"x.alpha": torch.tensor(3.0)}


def _pair(shape: tuple[int, ...], rank: int = 4) -> Tensors:
    out, *rest = shape
    return {"x.lora_up.weight": N(out, rank, *[1] * (len(rest) - 1)), "x.lora_down.weight": N(rank, *rest)}


def _tucker(shape: tuple[int, ...]) -> Tensors:
    out, inner, *kernel = shape
    ones = [1] * len(kernel)
    return {
        "x.lora_up.weight": N(out, 4, *ones),
        "x.lora_mid.weight": N(4, 4, *kernel),
        "x.lora_down.weight": N(4, inner, *ones),
    }


def _loha(shape: tuple[int, ...]) -> Tensors:
    columns = math.prod(shape[1:])
    sides = (("a", (shape[0], 4)), ("b", (4, columns)))
    return {f"x.hada_w{i}_{side}": N(*size, size=0.5) for i in "12" for side, size in sides}


def _tucker_loha(shape: tuple[int, ...]) -> Tensors:
    out, inner, *kernel = shape
    sides = (("w{}_a", (4, out)), ("w{}_b", (4, inner)), ("t{}", (4, 4, *kernel)))
    return {f"x.hada_{name.format(i)}": N(*size, size=0.6) for i in "12" for name, size in sides}


def _lokr(shape: tuple[int, ...], *, left: bool, right: bool) -> Tensors:
    """`left` and `right`: whether w1 and w2 are stored as two factors."""
    inner, kernel = shape[1] // 4, shape[2:]
    w1 = {"x.lokr_w1_a": N(4, 2), "x.lokr_w1_b": N(2, 4)} if left else {"x.lokr_w1": N(4, 4)}
    flat = inner * math.prod(kernel)
    w2 = {"x.lokr_w2_a": N(6, 2), "x.lokr_w2_b": N(2, flat)} if right else {"x.lokr_w2": N(6, inner, *kernel)}
    return {**w1, **w2}


def _tucker_lokr(shape: tuple[int, ...]) -> Tensors:
    inner, kernel = shape[1] // 4, shape[2:]
    w2 = {"x.lokr_w2_a": N(2, 6), "x.lokr_w2_b": N(2, inner), "x.lokr_t2": N(2, 2, *kernel)}
    return {"x.lokr_w1": N(4, 4), **w2}


def _glora(shape: tuple[int, ...]) -> Tensors:
    out, inner, *kernel = shape
    ones = [1] * len(kernel)
    return {
        "x.a1.weight": N(inner, 4, *ones),
        "x.a2.weight": N(4, inner, *ones),
        "x.b1.weight": N(out, 4, *ones),
        "x.b2.weight": N(4, inner, *kernel),
    }


def _old_glora(shape: tuple[int, ...]) -> Tensors:
    new = _glora(shape)
    places = {"a1": "a2", "a2": "a1", "b1": "b2", "b2": "b1"}
    return {f"x.{old}.weight": new[f"x.{now}.weight"] for old, now in places.items()}


def _dora(shape: tuple[int, ...], *, rows: bool) -> Tensors:
    ones = [1] * (len(shape) - 2)
    scale = N(shape[0], 1, *ones).abs() if rows else N(1, shape[1], *ones).abs()
    return {**_pair(shape), **ALPHA, "x.dora_scale": scale}


AGREEING: Mapping[str, tuple[Callable[[tuple[int, ...]], Tensors], tuple[tuple[int, ...], ...]]] = {
    "LoRA": (lambda s: {**_pair(s), **ALPHA}, (LINEAR, CONV)),
    "LoRA without alpha": (_pair, (LINEAR, CONV)),
    "LoRA, Tucker": (lambda s: {**_tucker(s), **ALPHA}, (CONV,)),
    "DoRA, columns": (lambda s: _dora(s, rows=False), (LINEAR, CONV)),
    "LoHa": (lambda s: {**_loha(s), **ALPHA}, (LINEAR, CONV)),
    "LoHa, Tucker": (lambda s: {**_tucker_loha(s), **ALPHA}, (CONV,)),
    "LoKr, whole": (lambda s: {**_lokr(s, left=False, right=False), **ALPHA}, (LINEAR, CONV)),
    "LoKr, w2 factored": (lambda s: {**_lokr(s, left=False, right=True), **ALPHA}, (LINEAR, CONV)),
    "LoKr, w1 factored": (lambda s: {**_lokr(s, left=True, right=False), **ALPHA}, (LINEAR, CONV)),
    "LoKr, both factored": (lambda s: {**_lokr(s, left=True, right=True), **ALPHA}, (LINEAR, CONV)),
    "GLoRA": (lambda s: {**_glora(s), **ALPHA}, (LINEAR, CONV)),
    "GLoRA, older": (lambda s: {**_old_glora(s), **ALPHA}, (LINEAR,)),
    "full": (lambda s: {"x.diff": N(*s)}, (LINEAR, CONV)),
    "norm": (lambda s: {"x.w_norm": N(s[0])}, ((24,),)),
    "set weight": (lambda s: {"x.set_weight": N(*s)}, (LINEAR, CONV)),
}


def _weight(shape: tuple[int, ...]) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(5)) * 0.05


def _theirs(tensors: Tensors, weight: Tensor, strength: float) -> Tensor:
    patches = comfy.lora.load_lora(dict(tensors), {"x": "w.weight"}, log_missing=False)
    return comfy.lora.calculate_weight(
        [(strength, patches["w.weight"], 1.0, None, None)], weight.clone(), "w"
    )


def _ours(core: Any, tensors: Tensors, weight: Tensor, strength: float) -> Tensor:
    grouped = core.reading.group_keys(tensors)
    (keys,) = grouped.layers["x"]
    found = core.adapters.find({role: tensors[key] for role, key in keys.items()})
    weight = weight.clone()
    for adapter in found.weight:
        weight = adapter.apply(weight, strength, torch.float32)
    return weight


def _error(ours: Tensor, theirs: Tensor) -> float:
    return ((ours.double() - theirs.double()).abs().max() / theirs.double().abs().max()).item()


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        pytest.param(kind, shape, id=f"{kind}-{len(shape)}d")
        for kind in AGREEING
        for shape in AGREEING[kind][1]
    ],
)
def test_the_host_agrees(core: Any, record_property: Any, kind: str, shape: tuple[int, ...]) -> None:
    tensors, weight = AGREEING[kind][0](shape), _weight(shape)
    pairs = [(_ours(core, tensors, weight, s), _theirs(tensors, weight, s)) for s in STRENGTHS]
    largest = max(_error(*pair) for pair in pairs)
    record_property("kind", kind)
    record_property("oracle", "ComfyUI")
    record_property("largest_relative_error", largest)
    assert largest <= TOLERANCE
    assert _error(pairs[3][1], weight) > 0.05, "a change too small to tell"


def _oft(shape: tuple[int, ...], **more: Tensor) -> Tensors:
    return {"x.oft_blocks": N(6, 4, 4), **{f"x.{k}": v for k, v in more.items()}}


def _boft(shape: tuple[int, ...], **more: Tensor) -> Tensors:
    return {"x.oft_blocks": N(2, 6, 4, 4), **{f"x.{k}": v for k, v in more.items()}}


ZERO = torch.tensor(0.0)


def test_at_strength_1_the_turns_and_dora_on_columns_agree(core: Any) -> None:
    for shape in (LINEAR, CONV):
        for tensors in (
            _oft(shape),
            _oft(shape, alpha=ZERO),
            _boft(shape, alpha=ZERO),
            _dora(shape, rows=False),
        ):
            ours, theirs = (_ours(core, tensors, _weight(shape), 1.0), _theirs(tensors, _weight(shape), 1.0))
            assert _error(ours, theirs) <= TOLERANCE


# Kind → tensors, a strength at which the two differ; docs/adapters.md says why.
DIVERGING: Mapping[str, tuple[Tensors, float]] = {
    "alpha 0": ({**_pair(LINEAR), "x.alpha": ZERO}, 1.0),
    "OFT squares the strength": (_oft(LINEAR), 0.5),
    "OFT loses the sign": (_oft(LINEAR), -1.0),
    "OFT drops rescale": (_oft(LINEAR, rescale=1 + N(24, 1)), 1.0),
    "OFT's bound is not times out": (_oft(LINEAR, alpha=torch.tensor(0.05)), 1.0),
    "BOFT blends twice": (_boft(LINEAR, alpha=ZERO), 0.5),
    "BOFT without alpha is lost": (_boft(LINEAR), 1.0),
    "BOFT's bound is not times out": (_boft(LINEAR, alpha=torch.tensor(0.05)), 1.0),
    "DoRA takes rows before the change": (_dora(LINEAR, rows=True), 1.0),
    "PEFT's magnitudes are not read": ({**_pair(LINEAR), "x.lora_magnitude_vector": N(24).abs()}, 1.0),
    "a layer of two formulas keeps the last": ({**_pair(LINEAR), "x.diff": N(*LINEAR)}, 1.0),
}


@pytest.mark.parametrize("name", DIVERGING)
def test_the_host_differs_where_the_table_says(core: Any, name: str) -> None:
    tensors, strength = DIVERGING[name]
    if "x.lora_magnitude_vector" in tensors:
        tensors = {_peft(key): tensor for key, tensor in tensors.items()}
    ours, theirs = (
        _ours(core, tensors, _weight(LINEAR), strength),
        _theirs(tensors, _weight(LINEAR), strength),
    )
    assert _error(ours, theirs) > 1e-2


def _peft(key: str) -> str:
    return key.replace("lora_up", "lora_B").replace("lora_down", "lora_A")


def test_a_tucker_lokr_agrees_or_is_lost_to_the_host(core: Any) -> None:
    """Its product of a core is not contiguous, which `kron` of torch 2.14 refuses: it logs an error."""
    tensors, weight = {**_tucker_lokr(CONV), **ALPHA}, _weight(CONV)
    ours, theirs = _ours(core, tensors, weight, 0.7), _theirs(tensors, weight, 0.7)
    assert _error(ours, weight) > 0.05
    assert torch.equal(theirs, weight) or _error(ours, theirs) <= TOLERANCE


def test_set_weight_at_0_is_the_hosts_alone() -> None:
    tensors, weight = {"x.set_weight": N(*LINEAR)}, _weight(LINEAR)
    assert not torch.equal(_theirs(tensors, weight, 0.0), weight)
