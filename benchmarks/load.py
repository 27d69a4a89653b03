"""`load`: from the nodes' inputs to a patcher ready to be loaded, eight LoRAs, the host's chain against ours.

No weight is touched here. `cold` reads the files (which the operating system has in memory by then), `warm`
applies the unchanged stack once more; bytes read per byte of file are counted, not timed.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import folder_paths
import in_host
import torch
from subjects import Subject, loaders, open_subject
from timing import alternate, seconds

LORAS = 8

Case = tuple[str, dict[str, float]]


def run() -> Iterator[Case]:
    """The SD1.5 layout in fp16."""
    with open_subject("sd15", torch.float16) as model:
        strengths = model.strengths(LORAS)
        yield f"{model.name}/cold/{LORAS}", _cold(model, strengths)
        in_graph = loaders(LORAS)
        pair = alternate(
            lambda: seconds(lambda: model.host_chain(strengths, in_graph)),
            lambda: seconds(lambda: model.ours(strengths)),
            "load, warm",
        )
        figures = {"host_s": pair.host_s, "ours_s": pair.ours_s, "ratio": pair.ratio}
        yield (
            f"{model.name}/warm/{LORAS}",
            figures | {"bytes_read": _bytes_read(lambda: model.ours(strengths))},
        )


def _cold(subject: Subject, strengths: list[float]) -> dict[str, float]:
    cache = in_host.load_pack().nodes.host.files.CACHE

    def ours() -> float:
        cache.discard(lambda key: True)
        gc.collect()
        return seconds(lambda: subject.ours(strengths))

    pair = alternate(
        lambda: seconds(lambda: subject.host_chain(strengths, loaders(LORAS))), ours, "load, cold"
    )
    cache.discard(lambda key: True)
    size = sum(
        Path(folder_paths.get_full_path_or_raise("loras", name)).stat().st_size for name in subject.loras
    )
    read = _bytes_read(lambda: subject.ours(strengths))
    return {
        "host_s": pair.host_s,
        "ours_s": pair.ours_s,
        "ratio": pair.ratio,
        "bytes_read_per_byte": read / size,
    }


def _bytes_read(work: Callable[[], Any]) -> float:
    """Bytes this process reads from files during `work`, by the kernel's count; nan where it keeps none."""
    counters = Path("/proc/self/io")
    if not counters.exists():
        return float("nan")

    def count() -> int:
        return int(counters.read_text().split("rchar: ")[1].split()[0])

    before = count()
    own = count() - before  # reading the counter is counted too
    before = count()
    work()
    return float(count() - before - own)
