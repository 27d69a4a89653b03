"""Measure the sliders through a ComfyUI's stock nodes, on seeds that no tuning has seen.

    python -m tools.demo_model.measure HOST demo/models --encoder TEXT_ENCODER --out OUT.json [--sheets DIR]

HOST is a ComfyUI folder. For each way of asking (no text encoder; prompts) and each slider: every seed at -2,
-1, 0, 1, 2, the four measures of lora_core.metrics, and whether the slider's own measure rises at each step.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lora_core.measures.metrics import measure

from .host_run import Host
from .paint import Array
from .sheet import save_sheet
from .sliders import SLIDERS

SEEDS = range(7101, 7111)
STRENGTHS = (-2.0, -1.0, 0.0, 1.0, 2.0)
OWN = {"add_detail": "detail", "add_saturation": "saturation", "add_brightness": "luma"}
CFG = 3.0
PROMPTS = (
    "sunset mountains summer pines",
    "night lake winter house",
    "day hills summer house clouds",
    "dawn sea summer boat",
    "night mountains autumn pines",
    "day lake autumn boat",
    "sunset sea summer boat clouds",
    "dawn hills winter pines",
    "sunset lake winter house",
    "night sea summer boat",
)


def run_sliders(host: Host, with_prompts: bool) -> dict[str, list[list[Array]]]:
    """Per slider, one picture per seed and strength; strength 0 is the same picture for all."""
    rows: dict[str, list[list[Array]]] = {name: [] for name in SLIDERS}
    for seed, prompt in zip(SEEDS, PROMPTS, strict=True):
        ask = (prompt, CFG) if with_prompts else ("", 1.0)
        plain = host.pictures(seed, *ask)[0]
        for name, found in rows.items():
            found.append(
                [host.pictures(seed, *ask, loras=((name, s),))[0] if s else plain for s in STRENGTHS]
            )
    return rows


def summary(rows: list[list[Array]], own: str) -> dict[str, Any]:
    """Numbers of every seed, means and the verdict per seed."""
    measured = [[asdict(measure(picture)) for picture in row] for row in rows]
    keys = list(measured[0][0])
    by_seed = {
        str(seed): {key: [round(cell[key], 5) for cell in row] for key in keys}
        for seed, row in zip(SEEDS, measured, strict=True)
    }
    rising = {seed: bool(np.all(np.diff(found[own]) > 0)) for seed, found in by_seed.items()}
    means = {
        key: [round(float(np.mean(c)), 5) for c in zip(*(f[key] for f in by_seed.values()), strict=True)]
        for key in keys
    }
    return {"own": own, "means": means, "rises_on_seed": rising, "by_seed": by_seed}


def table(results: dict[str, dict[str, Any]]) -> str:
    """The means as Markdown, one row per slider and measure, own measure in bold."""
    lines = [
        "| asked | slider | measure | -2 | -1 | 0 | 1 | 2 | rises on |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for asked, sliders in results.items():
        for name, found in sliders.items():
            rises = found["rises_on_seed"].values()
            for key, values in found["means"].items():
                is_own = key == found["own"]
                cells = " | ".join(f"{v:.4f}" if key == "detail" else f"{v:.3f}" for v in values)
                verdict = f"{sum(rises)} of {len(rises)}" if is_own else ""
                lines.append(
                    f"| {asked} | {name} | {f'**{key}**' if is_own else key} | {cells} | {verdict} |"
                )
    return "\n".join(lines)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("host", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sheets", type=Path, default=None)
    options = parser.parse_args()
    results: dict[str, dict[str, Any]] = {}
    version = ""
    for asked in ("without text", "with prompts"):
        encoder = options.encoder.resolve() if asked == "with prompts" else None
        host = Host(options.host.resolve(), options.models.resolve(), encoder)
        version, results[asked] = host.version, {}
        for name, rows in run_sliders(host, encoder is not None).items():
            results[asked][name] = summary(rows, OWN[name])
            if options.sheets is not None:
                path = options.sheets / f"{name}_{asked.replace(' ', '_')}.png"
                save_sheet([picture for row in rows for picture in row], len(STRENGTHS), path)
    settings = {"host": version, "strengths": STRENGTHS, "seeds": list(SEEDS), "prompts": PROMPTS, "cfg": CFG,
                "sampler": "euler", "scheduler": "simple", "steps": 20, "size": "128x128"}  # fmt: skip
    options.out.write_text(json.dumps({"settings": settings, "results": results}, indent=1) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
