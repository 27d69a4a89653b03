"""One adapter of every kind, of random numbers, for a weight of a given shape."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from lora_core.adapters import Adapter
from lora_core.adapters.dora import DoRA, PeftDoRA
from lora_core.adapters.full import Difference, SetWeight
from lora_core.adapters.glora import GLoRA
from lora_core.adapters.ia3 import IA3
from lora_core.adapters.input_rotation import InputBOFT, InputOFT
from lora_core.adapters.loha import LoHa
from lora_core.adapters.lokr import LoKr
from lora_core.adapters.low_rank import LowRank
from lora_core.adapters.oft import BOFT, OFT, OFTByParts

RANK = 2


class Numbers:
    """Random tensors, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self._generator) * 0.5


def _low_rank(n: Numbers, out: int, inner: int, *kernel: int) -> LowRank:
    return LowRank(n(out, RANK, *[1] * len(kernel)), n(RANK, inner, *kernel), 0.5)


def _loha(n: Numbers, out: int, inner: int, *kernel: int) -> LoHa:
    columns = inner * math.prod(kernel)
    return LoHa(n(out, RANK), n(RANK, columns), n(out, RANK), n(RANK, columns), 0.5)


def _lokr(n: Numbers, out: int, inner: int, *kernel: int) -> LoKr:
    return LoKr(n(2, 2), None, n(out // 2, RANK), n(RANK, inner // 2 * math.prod(kernel)), 0.5)


def _glora(n: Numbers, out: int, inner: int, *kernel: int) -> GLoRA:
    return GLoRA(n(inner, RANK), n(RANK, inner), n(out, RANK), n(RANK, inner * math.prod(kernel)), 0.5)


def _input_oft(n: Numbers, out: int, *inputs: int) -> InputOFT:
    return InputOFT(n(math.prod(inputs) // 2, 1), is_scaled=True)


def _input_boft(n: Numbers, out: int, *inputs: int) -> InputBOFT:
    return InputBOFT(n(1, math.prod(inputs) // 2, 2, 2), 1 + 0.1 * n(out))


# Of weights (out, in, *kernel) with even out and in, out a multiple of 4.
ADDITIVE: Mapping[str, Callable[..., Adapter]] = {
    "LoRA": _low_rank,
    "LoHa": _loha,
    "LoKr": _lokr,
    "difference": lambda n, *shape: Difference(n(*shape), 0.5),
}
OF_WEIGHT: Mapping[str, Callable[..., Adapter]] = {
    "GLoRA": _glora,
    "OFT": lambda n, out, *rest: OFT(n(out // 4, 4, 4), 1 + 0.1 * n(out), 3.0),
    "BOFT": lambda n, out, *rest: BOFT(n(1, out // 4, 4, 4), None, 0.0),
    "OFT by parts": lambda n, out, *rest: OFTByParts(
        ((n(out // 4, 2, 2), 0.0), (n(1, out // 2, out // 2), 3.0))
    ),
    "OFT of inputs": _input_oft,
    "BOFT of inputs": _input_boft,
    "IA3 outputs": lambda n, out, *rest: IA3(n(out), False),
    "IA3 inputs": lambda n, out, inner, *rest: IA3(n(inner), True),
    "DoRA rows": lambda n, out, *rest: DoRA(_low_rank(n, out, *rest), n(out).abs(), False),
    "DoRA columns": lambda n, out, inner, *rest: DoRA(_loha(n, out, inner, *rest), n(inner).abs(), True),
    "DoRA on GLoRA": lambda n, out, *rest: DoRA(_glora(n, out, *rest), n(out).abs(), False),
    "DoRA on OFT": lambda n, out, *rest: DoRA(OFT(n(out // 4, 4, 4), None, 0.0), n(out).abs(), False),
    "PEFT DoRA": lambda n, out, *rest: PeftDoRA(_low_rank(n, out, *rest), n(out).abs()),
    "value": lambda n, *shape: SetWeight(n(*shape)),
}
EVERY: Mapping[str, Callable[..., Adapter]] = {**ADDITIVE, **OF_WEIGHT}


def make(kind: str, shape: tuple[int, ...], seed: int = 0) -> Adapter:
    """The adapter of a kind for a weight of `shape`."""
    return EVERY[kind](Numbers(seed), *shape)
