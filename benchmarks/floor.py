"""`floor`: our patch of eight LoRAs over the least anyone could do with these products.

The least is one fp32 copy of every weight and one addmm per key with factors that are already joined, scaled
and in fp32. `ratio` is ours over that floor: 1 would be perfect.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from subjects import Subject, open_subject, patch, unpatch
from timing import alternate, seconds

LORAS = 8

Case = tuple[str, dict[str, float]]


def run() -> Iterator[Case]:
    """The SD1.5 layout in fp32 and fp16."""
    for name, dtype in {"fp32": torch.float32, "fp16": torch.float16}.items():
        with open_subject("sd15", dtype) as model:
            yield f"{model.name}/{name}/{LORAS}", _case(model)


def _case(subject: Subject) -> dict[str, float]:
    model = subject.ours(subject.strengths(LORAS))
    state = model.model.state_dict()
    products = [(state[key], *_joined_factors(patches)) for key, patches in model.patches.items()]

    def floor() -> float:
        results = []

        def work() -> None:
            for weight, up, down in products:
                copy = weight.to(torch.float32, copy=True)
                copy.view(copy.shape[0], -1).addmm_(up, down)
                # The host keeps the result in the model's dtype, so this is part of the least.
                results.append(copy.to(weight.dtype))

        return seconds(work)

    def ours() -> float:
        try:
            return seconds(lambda: patch(model))
        finally:
            unpatch(model)

    pair = alternate(floor, ours, "floor")
    return {"floor_s": pair.host_s, "ours_s": pair.ours_s, "ratio": pair.ours_s / pair.host_s}


def _joined_factors(patches: list[tuple[object, ...]]) -> tuple[torch.Tensor, torch.Tensor]:
    """What the one adapter of a key multiplies, ready to be multiplied."""
    ((_, adapter, *_),) = patches
    ((_, (_, up, down, scales)), _) = adapter.weights  # type: ignore[attr-defined]
    return up.float(), down.float() * scales.unsqueeze(1)
