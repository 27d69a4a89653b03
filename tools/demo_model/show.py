"""Paint the pictures of docs/demo-model.md through a ComfyUI's stock nodes.

    python -m tools.demo_model.show HOST demo/models --encoder TEXT_ENCODER docs/images

Writes demo-model-pictures.png (six with prompts, six without) and demo-model-sliders.png (-2 … 2).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .host_run import Host
from .measure import CFG, STRENGTHS
from .sheet import save_sheet
from .sliders import SLIDERS

PROMPTED = (
    (4, "sunset mountains summer pines"),
    (3, "night lake winter"),
    (6, "day lake autumn boat"),
    (4, "dawn sea summer boat"),
    (3, "sunset sea summer"),
    (2, "day mountains summer clouds"),
)
UNPROMPTED = (1, 4, 6, 12, 18, 23)
SWEPT = {
    "add_detail": (6, "day lake autumn boat"),
    "add_saturation": (4, "sunset mountains summer pines"),
    "add_brightness": (3, "night lake winter"),
}


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("host", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--encoder", type=Path, required=True)
    options = parser.parse_args()
    host = Host(options.host.resolve(), options.models.resolve(), options.encoder.resolve())
    sweeps = [
        host.pictures(*SWEPT[name], CFG, loras=((name, strength),))[0]
        for name in SLIDERS
        for strength in STRENGTHS
    ]
    save_sheet(sweeps, len(STRENGTHS), options.images / "demo-model-sliders.png")
    pictures = [host.pictures(seed, prompt, CFG)[0] for seed, prompt in PROMPTED]
    host = Host(options.host.resolve(), options.models.resolve(), None)
    pictures += [host.pictures(seed)[0] for seed in UNPROMPTED]
    save_sheet(pictures, len(PROMPTED), options.images / "demo-model-pictures.png")


if __name__ == "__main__":
    main()
