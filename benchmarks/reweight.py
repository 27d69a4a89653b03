"""`reweight`: one strength changed in a stack of eight, from the nodes' inputs to patched weights.

What a user waits for between moving a fader and the first sampling step. The host's chain runs from the
changed loader on (it is the first here, the worst case and the common one: sliders come early); its loaders
keep their files in memory, as in a graph that stays open.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import torch
from subjects import Subject, loaders, open_subject, patch, unpatch
from timing import alternate, seconds

LORAS = 8

Case = tuple[str, dict[str, float]]


def run() -> Iterator[Case]:
    """The SD1.5 layout in fp16."""
    with open_subject("sd15", torch.float16) as model:
        yield f"{model.name}/fp16/{LORAS}", _case(model)


def _case(subject: Subject) -> dict[str, float]:
    turns = count()
    in_graph = loaders(LORAS)

    def timed(make: Any) -> float:
        strengths = subject.strengths(LORAS, first=0.5 + 0.01 * next(turns))
        held: list[Any] = []

        def work() -> None:
            held.append(make(strengths))
            patch(held[0])

        try:
            return seconds(work)
        finally:
            unpatch(held[0])

    pair = alternate(
        lambda: timed(lambda strengths: subject.host_chain(strengths, in_graph)),
        lambda: timed(subject.ours),
        "reweight",
    )
    return {"host_s": pair.host_s, "ours_s": pair.ours_s, "ratio": pair.ratio}
