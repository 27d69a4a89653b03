"""Every sampler with every scheduler: a row of a sweep against the host's loader at that strength alone.

`python sweep_matrix.py OUT.json`, from this folder, with RACK_HOST_DIR and RACK_BASE_DIR as the tests have
them; writes the largest difference of each pair, in standard deviations of the host's latent. Beyond
test_sweep.py, which takes a scheduler per sampler, this is for docs/sweep.md.
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import in_host

in_host.enter_host()

import comfy.samplers  # noqa: E402
import sweeping  # noqa: E402

STRENGTHS = (-1.5, 2.0)


class _Setting:
    """As much of pytest's monkeypatch as a process that ends needs."""

    def setitem(self, mapping: Any, key: Any, value: Any) -> None:
        mapping[key] = value


def main() -> None:
    pack = in_host.load_pack()
    sweeping.use_loras(_Setting())
    names, schedulers = comfy.samplers.KSampler.SAMPLERS, comfy.samplers.KSampler.SCHEDULERS
    matrix: dict[str, dict[str, float]] = {name: {} for name in names}
    passes: dict[str, int] = {}
    for number, (name, scheduler) in enumerate(itertools.product(names, schedulers)):
        scene = sweeping.Scene(name, scheduler, cfg=(1.0, 4.0)[number % 2])
        model = sweeping.demo()[0]
        ours = sweeping.swept(pack, model, f"<lora:add_detail> {STRENGTHS[0]}, {STRENGTHS[1]}", scene)
        rows = [sweeping.alone(model, [("add_detail", s, s)], scene) for s in STRENGTHS]
        largest = max(sweeping.largest_difference(ours.row(i), row) for i, row in enumerate(rows))
        matrix[name][scheduler] = float(f"{largest:.2g}")
        passes[name] = len(ours.passes.strengths)
        print(f"{name:<30} {scheduler:<18} {largest:.1e}", flush=True)
    largest = max(value for row in matrix.values() for value in row.values())
    settings = {
        "model": "rack_demo",
        "strengths": STRENGTHS,
        "steps": 3,
        "size_px": 64,
        "cfg": "1 and 4 in turn",
    }
    result = {"settings": settings, "largest": largest, "passes": passes, "differences": matrix}
    Path(sys.argv[1]).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
