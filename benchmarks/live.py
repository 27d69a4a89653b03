"""`live`: a step of the sampling with a stack added in the forward pass, against one with the stack merged.

`added` is what live layers add to a step of the same weights without any stack, `arithmetic` what their own
products are of it: those of `r · (in + out)` per position of every changed layer, over all of the step's.
`points` is by how many hundredths of a step the first is above the second. Loading is no part of a step.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import comfy.sample
import torch
from subjects import Subject, open_subject
from timing import alternate
from torch.utils.flop_counter import FlopCounterMode

COUNTS = (1, 4)
STEPS = 3
SIDE, BATCH_SIDE = 24, 12  # of a latent: 192 pixels, and 96 where four of them cost what one does
PAIRS = 3

Case = tuple[str, dict[str, float]]
Shape = tuple[int, int, int, int]


def run() -> Iterator[Case]:
    """SD1.5 for one LoRA and several, one picture and a batch of four, without guidance."""
    with open_subject("sd15", torch.float32) as subject:
        for count in COUNTS:
            yield f"sd15/{count}", _case(subject, count, (1, 4, SIDE, SIDE))
        yield f"sd15/{COUNTS[0]}/batch 4", _case(subject, COUNTS[0], (4, 4, BATCH_SIDE, BATCH_SIDE))


def _case(subject: Subject, count: int, shape: Shape) -> dict[str, float]:
    merged, live = (subject.ours(subject.strengths(count), mode) for mode in ("merged", "live"))
    what = f"live, {count} LoRAs"
    bare = alternate(lambda: _step(subject.model, shape), lambda: _step(live, shape), f"{what}, bare", PAIRS)
    pair = alternate(lambda: _step(merged, shape), lambda: _step(live, shape), f"{what}, merged", PAIRS)
    arithmetic = _own_products(live, shape) / _products(subject.model, shape)
    added = bare.ours_s / bare.host_s - 1
    return {
        "merged_s": pair.host_s,
        "live_s": pair.ours_s,
        "ratio": pair.ratio,
        "added": added,
        "arithmetic": arithmetic,
        "points": 100 * (added - arithmetic),
    }


def _step(model: Any, shape: Shape) -> float:
    """Median seconds of the steps of a sampling, the first left out."""
    times: list[float] = []
    _sample(model, shape, STEPS, lambda *_: times.append(time.perf_counter()))
    return statistics.median(after - before for before, after in pairwise(times))


def _sample(model: Any, shape: Shape, steps: int, callback: Any = None) -> None:
    noise = torch.randn(shape)
    cond = [[torch.randn(1, 77, 768), {}]]
    comfy.sample.sample(
        model, noise, steps, 1.0, "euler", "normal", cond, cond, noise, callback=callback, disable_pbar=True
    )


def _products(model: Any, shape: Shape) -> float:
    """Multiplications of a step without a stack."""
    with FlopCounterMode(display=False) as counter:
        _sample(model, shape, 1)
    return counter.get_total_flops() / 2


def _own_products(live: Any, shape: Shape) -> float:
    """Multiplications of `r · (in + out)` per position, over the layers a live stack changes."""
    (name,) = live.injections
    plan = live.injections[name][0].inject.__self__.plan
    total = 0
    handles = []

    def count(rank: int) -> Any:
        def hook(module: torch.nn.Module, args: Any, out: torch.Tensor) -> None:
            nonlocal total
            weight = module.weight
            channels = 1 if weight.ndim > 2 else -1
            total += rank * (weight[0].numel() + weight.shape[0]) * out.numel() // out.shape[channels]

        return hook

    for path, parts in plan.modules.items():
        rank = sum(part.adapter.rank for part in parts)
        handles.append(live.model.get_submodule(path).register_forward_hook(count(rank)))
    _sample(live, shape, 1)
    for handle in handles:
        handle.remove()
    return total
