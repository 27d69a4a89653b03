"""The tensors of one layer in every kind of file, for a weight of (8, 6) and its bias."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor


def _n(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


KINDS: Mapping[str, Mapping[str, Tensor]] = {
    "LoRA": {"lora_up.weight": _n(8, 2), "lora_down.weight": _n(2, 6), "alpha": torch.tensor(1.0)},
    "LoRA in two spellings": {
        "lora_up.weight": _n(8, 2),
        "lora_down.weight": _n(2, 6),
        "lora_B.weight": _n(8, 3),
        "lora_A.weight": _n(3, 6),
    },
    "LoRA with bias": {"lora_B.weight": _n(8, 2), "lora_A.weight": _n(2, 6), "lora_B.bias": _n(8)},
    "LoRA of rank 1": {"lora_up.weight": _n(8, 1), "lora_down.weight": _n(1, 6), "alpha": _n(1)},
    "LoHa": {
        f"hada_w{n}_{part}": _n(*shape) for n in (1, 2) for part, shape in (("a", (8, 2)), ("b", (2, 6)))
    },
    "LoKr": {"lokr_w1": _n(2, 2), "lokr_w2_a": _n(4, 2), "lokr_w2_b": _n(2, 3), "alpha": torch.tensor(2.0)},
    "GLoRA": {"a1.weight": _n(6, 2), "a2.weight": _n(2, 6), "b1.weight": _n(8, 2), "b2.weight": _n(2, 6)},
    "OFT": {"oft_blocks": _n(2, 4, 4), "rescale": 1 + 0.1 * _n(8, 1)},
    "BOFT": {"oft_blocks": _n(1, 2, 4, 4)},
    "IA3": {"weight": _n(8, 1), "on_input": torch.tensor(False)},
    "DoRA": {"lora_up.weight": _n(8, 2), "lora_down.weight": _n(2, 6), "dora_scale": _n(8, 1).abs()},
    "PEFT's DoRA": {
        "lora_B.weight": _n(8, 2),
        "lora_A.weight": _n(2, 6),
        "lora_magnitude_vector": _n(8).abs(),
    },
    "difference": {"diff": _n(8, 6), "diff_b": _n(8)},
    "value": {"set_weight": _n(8, 6)},
}
"""Kind → {suffix: tensor}."""

OF_CONVOLUTIONS: Mapping[str, Mapping[str, Tensor]] = {
    "LoCon": {"lora_up.weight": _n(8, 2, 1, 1), "lora_down.weight": _n(2, 6, 3, 3)},
    "LoCon with a core": {
        "lora_up.weight": _n(8, 2, 1, 1),
        "lora_mid.weight": _n(2, 2, 3, 3),
        "lora_down.weight": _n(2, 6, 1, 1),
    },
    "LoHa with cores": {
        f"hada_{part}": _n(*shape)
        for n in (1, 2)
        for part, shape in ((f"w{n}_a", (2, 8)), (f"w{n}_b", (2, 6)), (f"t{n}", (2, 2, 3, 3)))
    },
    "LoKr with a core": {
        "lokr_w1": _n(2, 2),
        "lokr_w2_a": _n(2, 4),
        "lokr_w2_b": _n(2, 3),
        "lokr_t2": _n(2, 2, 3, 3),
    },
    "GLoRA with a core": {
        "a1.weight": _n(6, 2),
        "a2.weight": _n(2, 6),
        "b1.weight": _n(8, 2),
        "bm.weight": _n(2, 2, 3, 3),
        "b2.weight": _n(2, 6),
    },
}
"""The same for a weight of (8, 6, 3, 3)."""

RARE: Mapping[str, Mapping[str, Tensor]] = {
    "PEFT's IA3": {"ia3_l": _n(8, 1)},
    "grown": {
        "lora_up.weight": _n(8, 2),
        "lora_down.weight": _n(2, 6),
        "reshape_weight": torch.tensor([8, 6]),
    },
    "embedding": {"lora_embedding_A": _n(2, 8), "lora_embedding_B": _n(6, 2)},
    "of another shape": {"lora_up.weight": _n(4, 2), "lora_down.weight": _n(2, 6)},
    "alpha in bfloat16": {
        "lora_up.weight": _n(8, 2),
        "lora_down.weight": _n(2, 6),
        "alpha": torch.tensor(3.0, dtype=torch.bfloat16),
    },
    "alpha in float8": {
        "lora_up.weight": _n(8, 2),
        "lora_down.weight": _n(2, 6),
        "alpha": torch.tensor(3.0).to(torch.float8_e4m3fn),
    },
    "unknown": {"what.ever": _n(3), "lora_up.weight": _n(8, 2), "lora_down.weight": _n(2, 6)},
}
"""For a weight of (8, 6), too; not all of them fit it."""


def save_kind(path: Path, kind: Mapping[str, Tensor], *layers: str, **metadata: str) -> Path:
    """Write a file with the tensors of a kind in each of the layers."""
    tensors = {f"{layer}.{suffix}": value.clone() for layer in layers for suffix, value in kind.items()}
    save_file(tensors, path, metadata=metadata or None)
    return path
