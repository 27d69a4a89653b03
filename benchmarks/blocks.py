"""`blocks`: a stack with block weights against the same without, from the nodes' inputs to patched weights.

`ratio` is the time without over the time with, 1 where weights cost nothing. `apply` is our own part alone,
what happens before the host touches a weight.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import in_host
import torch
from subjects import Subject, open_subject, patch, unpatch
from timing import alternate, seconds

LORAS = 8
# A different text for each LoRA, none of which leaves a layer out: that would be less work, not the same.
_TEXTS = (
    "IN04-08=0.5 OUT*=0.8",
    "0.5,1,0.2,0.3,0.4,1,1,0.5,0.6,0.7,0.8,1,1,1,1,1,0.9",
    "ALL0.5 */attn2=0.3",
    "*/attn1.q,attn1.k=0.5 M00=0.2",
    "default=0.7 IN05-OUT05/ff=0.9",
)

Case = tuple[str, dict[str, float]]


def run() -> Iterator[Case]:
    """The SD1.5 layout in fp16."""
    with open_subject("sd15", torch.float16) as model:
        yield f"{model.name}/fp16/{LORAS}", _case(model)


def _case(subject: Subject) -> dict[str, float]:
    plain, weighted = [""] * LORAS, [_TEXTS[n % len(_TEXTS)] for n in range(LORAS)]

    def patched(texts: Sequence[str]) -> float:
        held: list[Any] = []

        def work() -> None:
            held.append(_ours(subject, texts))
            patch(held[0])

        try:
            return seconds(work)
        finally:
            unpatch(held[0])

    both = alternate(lambda: patched(plain), lambda: patched(weighted), "blocks", pairs=9)
    apply = alternate(
        lambda: seconds(lambda: _ours(subject, plain)),
        lambda: seconds(lambda: _ours(subject, weighted)),
        "blocks, apply",
        pairs=9,
    )
    return {
        "without_s": both.host_s,
        "with_s": both.ours_s,
        "ratio": both.ratio,
        "apply_without_s": apply.host_s,
        "apply_with_s": apply.ours_s,
    }


def _ours(subject: Subject, texts: Sequence[str]) -> Any:
    """The model after our nodes, one of them per LoRA with its block weights."""
    nodes = in_host.load_pack().NODE_CLASS_MAPPINGS
    stack: list[Any] = []
    for name, strength, blocks in zip(subject.loras, subject.strengths(LORAS), texts, strict=False):
        stack, _ = nodes["LoraRackAdd"]().add(name, strength, strength, stack, blocks=blocks)
    model, *_ = nodes["LoraRackApply"]().apply(subject.model, stack, "error")["result"]
    return model
