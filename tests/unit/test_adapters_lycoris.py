"""Every formula against LyCORIS, from the same stored tensors.

LyCORIS' `get_merged_weight` (4.1.3) multiplies LoHa and LoKr by their scale twice, unlike the forward pass
they are trained with, so the oracle is the forward pass: the weight a module hands to its layer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from lycoris.modules.boft import ButterflyOFTModule
from lycoris.modules.diag_oft import DiagOFTModule
from lycoris.modules.full import FullModule
from lycoris.modules.glora import GLoRAModule
from lycoris.modules.ia3 import IA3Module
from lycoris.modules.locon import LoConModule
from lycoris.modules.loha import LohaModule
from lycoris.modules.lokr import LokrModule
from lycoris.modules.norms import NormModule
from oracles import CONV, DTYPES, LINEAR, STRENGTHS, check, layer
from torch import Tensor, nn

from lora_core.adapters import Layer, find
from lora_core.reading.key_names import group_keys

logging.getLogger("LyCORIS").setLevel(logging.ERROR)

RANKS = (1, 4, 32, 128)


@dataclass(frozen=True)
class Case:
    """A kind, how LyCORIS makes a module of it, and how large its numbers are, to make a visible change."""

    name: str
    module: Callable[..., nn.Module]
    options: Mapping[str, Any]
    ranks: tuple[int, ...] = RANKS
    size: float = 0.2
    shapes: tuple[tuple[int, ...], ...] = (LINEAR, CONV)

    def make(self, base: nn.Module, rank: int) -> nn.Module:
        alpha = self.options.get("alpha", rank / 2)
        return self.module("x", base, 1.0, rank, **{**self.options, "alpha": alpha}).eval()


def _with_dora(name: str, module: Callable[..., nn.Module], **options: Any) -> list[Case]:
    return [
        Case(f"DoRA on {name}, {axis}", module, {**options, "weight_decompose": True, "wd_on_out": on_out})
        for axis, on_out in (("rows", True), ("columns", False))
    ]


CASES = [
    Case("LoRA", LoConModule, {}),
    Case("LoRA, alpha 0", LoConModule, {"alpha": 0}),
    Case("LoRA, rank-stabilised", LoConModule, {"rs_lora": True}),
    Case("LoRA, Tucker", LoConModule, {"use_tucker": True}, shapes=(CONV,), size=0.5),
    *_with_dora("LoRA", LoConModule),
    Case("LoHa", LohaModule, {}, size=0.4),
    Case("LoHa, rank-stabilised", LohaModule, {"rs_lora": True}, size=0.4),
    Case("LoHa, Tucker", LohaModule, {"use_tucker": True}, shapes=(CONV,), size=0.6),
    *_with_dora("LoHa", LohaModule),
    Case("LoKr", LokrModule, {}, ranks=(1, 2)),
    Case("LoKr, whole", LokrModule, {"full_matrix": True}, ranks=(1, 4)),
    Case("LoKr, both factored", LokrModule, {"decompose_both": True, "factor": 4}, ranks=(1,), size=0.6),
    Case("LoKr, unbalanced", LokrModule, {"unbalanced_factorization": True}, ranks=(1, 2)),
    Case("LoKr, rank-stabilised", LokrModule, {"rs_lora": True}, ranks=(1, 2)),
    Case("LoKr, Tucker", LokrModule, {"use_tucker": True}, ranks=(1,), shapes=(CONV,), size=0.6),
    *_with_dora("LoKr", LokrModule),
    Case("GLoRA", GLoRAModule, {}),
    Case("OFT", DiagOFTModule, {}, ranks=(2, 4, 12)),
    Case("OFT, bound", DiagOFTModule, {"constraint": 0.02}, ranks=(2, 4, 12)),
    Case("OFT, rescaled", DiagOFTModule, {"rescaled": True}, ranks=(2, 4, 12)),
    Case("BOFT", ButterflyOFTModule, {}, ranks=(6, 12)),
    Case("BOFT, bound", ButterflyOFTModule, {"constraint": 0.02}, ranks=(6, 12)),
    Case("BOFT, rescaled", ButterflyOFTModule, {"rescaled": True}, ranks=(6, 12)),
    Case("IA3, outputs", IA3Module, {}, ranks=(1,)),
    Case("IA3, inputs", IA3Module, {"train_on_input": True}, ranks=(1,)),
    Case("full", FullModule, {}, ranks=(1,)),
]


def _stored(module: nn.Module, dtype: torch.dtype, size: float) -> dict[str, Tensor]:
    """A trained-looking file of the module: random tensors in `dtype`, its scalars as they are."""
    generator = torch.Generator().manual_seed(1)
    stored = {}
    for key, tensor in module.state_dict().items():
        numbers = torch.randn(tensor.shape, generator=generator) * size
        if key.endswith(("dora_scale", "rescale")):
            numbers = tensor.float() * (1 + numbers)
        stored[key] = tensor.clone() if key.endswith(("alpha", "on_input")) else numbers.to(dtype)
    return stored


def _theirs(module: nn.Module, base: nn.Module, strength: float) -> tuple[Tensor, Tensor | None]:
    """The weight and, where it changes it, the bias LyCORIS' module runs its layer with."""
    module.multiplier = strength
    handed: list[tuple[Tensor, Tensor | None]] = []

    def catch(x: Tensor, weight: Tensor, bias: Tensor | None = None, **_: object) -> int:
        handed.append((weight, bias))
        return 0

    module.op = catch
    inner, *kernel = base.weight.shape[1:] or base.weight.shape
    with torch.no_grad():
        module(torch.zeros(1, inner, *kernel))
    weight, bias = handed[-1]
    return base.weight + weight, None if bias is None else base.bias + bias


def _load(module: nn.Module, stored: Mapping[str, Tensor]) -> None:
    """Put stored tensors where the module computes from; its alpha was given when it was made."""
    for key, tensor in stored.items():
        if key not in ("alpha", "on_input"):
            owner: Any = module
            *path, name = {"diff": "weight", "diff_b": "bias"}.get(key, key).split(".")
            for part in path:
                owner = getattr(owner, part)
            getattr(owner, name).data.copy_(tensor)


def _ours(stored: Mapping[str, Tensor]) -> Layer:
    grouped = group_keys(f"x.{key}" for key in stored)
    assert grouped.unknown == []
    (keys,) = grouped.layers["x"]
    found = find({role: stored[key.removeprefix("x.")] for role, key in keys.items()})
    assert found is not None
    return found


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: str(d).removeprefix("torch."))
@pytest.mark.parametrize(
    ("case", "shape"),
    [pytest.param(c, s, id=f"{c.name}-{len(s)}d") for c in CASES for s in c.shapes],
)
def test_lycoris_agrees(case: Case, shape: tuple[int, ...], dtype: torch.dtype, record_property: Any) -> None:
    base = layer(shape)
    triples = []
    for rank in case.ranks:
        module = case.make(base, rank)
        # A product of `rank` terms grows with its root; kept level over the ranks.
        stored = _stored(module, dtype, case.size if "OFT" in case.name else case.size * rank**-0.25)
        _load(module, stored)
        found = _ours(stored)
        for strength in STRENGTHS:
            # A DoRA's strength is a fader between the weight and what LyCORIS makes of it at 1.
            is_fader = "DoRA" in case.name
            theirs, their_bias = _theirs(module, base, 1.0 if is_fader else strength)
            theirs = torch.lerp(base.weight, theirs, strength) if is_fader else theirs
            ours = base.weight.detach().clone()
            for adapter in found.weight:
                assert adapter.fits(ours.shape)
                ours = adapter.apply(ours, strength, torch.float32)
            triples.append((ours, theirs, base.weight))
            for adapter in found.bias:
                assert their_bias is not None
                bias = adapter.apply(base.bias.detach().clone(), strength, torch.float32)
                triples.append((bias, their_bias, base.bias))
    record_property("kind", case.name)
    record_property("oracle", "LyCORIS")
    check(triples, record_property)


@pytest.mark.parametrize("module", [nn.LayerNorm(24), nn.GroupNorm(4, 24)], ids=["layer", "group"])
def test_lycoris_norms_agree(module: nn.Module, record_property: Any) -> None:
    norm = NormModule("x", module.requires_grad_(False))
    stored = _stored(norm, torch.float16, 0.2)
    _load(norm, stored)
    found, triples = _ours(stored), []
    for strength in STRENGTHS:
        for adapter, before, theirs in zip(
            (found.weight[0], found.bias[0]),
            (module.weight, module.bias),
            norm.get_merged_weight(strength),
            strict=True,
        ):
            if theirs.any():  # a fresh norm's bias is 0, and stays so at strength 0
                triples.append((adapter.apply(before.clone(), strength, torch.float32), theirs, before))
    record_property("kind", "norm")
    record_property("oracle", "LyCORIS")
    check(triples, record_property)


def test_older_glora_files_are_the_same_transposed() -> None:
    """As LyCORIS 1.x stored them: a1 and a2 have changed places, and so have b1 and b2."""
    module = GLoRAModule("x", layer(LINEAR), 1.0, 4, alpha=2)
    stored = _stored(module, torch.float32, 0.2)
    older = {
        f"{old}.weight": stored[f"{new}.weight"]
        for old, new in {"a1": "a2", "a2": "a1", "b1": "b2", "b2": "b1"}.items()
    }
    weight = layer(LINEAR).weight.detach()
    new, old = (
        _ours(tensors).weight[0].apply(weight.clone(), 0.7, torch.float32)
        for tensors in (stored, {**older, "alpha": stored["alpha"]})
    )
    assert torch.equal(new, old)
