"""`patch`: writing a stack into the weights, the host's chain against one fused adapter per weight.

Both go through the host's own patch_model. Kernels and bytes are counted on one weight's worth of work, by
torch's profiler and by the sizes of what each operation reads and writes; they hold on a GPU as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import kinds
import torch
from counting import count_work
from subjects import COUNTS, Subject, loaders, open_subject, patch, unpatch
from timing import alternate, seconds

DTYPES = {"fp32": torch.float32, "fp16": torch.float16}

Case = tuple[str, dict[str, float]]


def run() -> Iterator[Case]:
    """SD1.5 per weight dtype and number of LoRAs, a stack of several kinds; SDXL and Flux sizes."""
    for dtype_name, dtype in DTYPES.items():
        with open_subject("sd15", dtype) as model:
            for count in COUNTS:
                yield f"sd15/{dtype_name}/{count}", _case(model, count)
    with open_subject("sd15", torch.float16, kinds.MIXED) as model:
        yield "sd15/fp16/mixed", _case(model, len(kinds.MIXED))
    for name in ("sdxl", "flux"):
        with open_subject(name, torch.float16) as model:
            yield f"{name}/fp16/{COUNTS[-1]}", _case(model, COUNTS[-1])


def _case(subject: Subject, count: int) -> dict[str, float]:
    strengths = subject.strengths(count)
    host_model, our_model = subject.host_chain(strengths, loaders(count)), subject.ours(strengths)
    pair = alternate(
        lambda: _patch_seconds(host_model), lambda: _patch_seconds(our_model), f"patch, {count} LoRAs"
    )
    host_work, our_work = _work_per_key(host_model), _work_per_key(our_model)
    return {
        "host_s": pair.host_s,
        "ours_s": pair.ours_s,
        "ratio": pair.ratio,
        "kernels_per_key": our_work.kernels,
        "host_kernels_per_key": host_work.kernels,
        "bytes_ratio": our_work.bytes_moved / host_work.bytes_moved,
    }


def _patch_seconds(model: Any) -> float:
    try:
        return seconds(lambda: patch(model))
    finally:
        unpatch(model)


def _work_per_key(model: Any) -> Any:
    """What all patches of one weight do to a copy the host has already made of it, averaged over weights."""
    import comfy.lora

    state = model.model.state_dict()
    weights = {key: state[key].to(torch.float32, copy=True) for key in model.patches}

    def work() -> None:
        for key, patches in model.patches.items():
            comfy.lora.calculate_weight(patches, weights[key], key)

    return count_work(work).per(len(weights))
