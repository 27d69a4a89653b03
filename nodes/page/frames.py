"""What the page's scrubber gets of a sweep: every picture with its strengths and measures, and the sheet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ...lora_core.axes import Sweep
from ...lora_core.measures import Measured
from ...lora_core.stack import Entry
from .. import host

_KIND = "LoraRackSweep"  # of the records in the pictures


def frames_for_page(
    sweep: Sweep, measured: Sequence[Measured], pictures: Tensor, sheet: Tensor
) -> dict[str, list[Any]]:
    """A node's `ui`. The files are in the host's temp folder; `pictures` are (N, H, W, 3), `sheet` (H, W, 3).

    None of it is called `images`: the host would show a gallery of its own below the scrubber.
    """
    whole = host.record(_KIND, sweep.stack, sweep.axes)
    shown = [host.record(_KIND, [*sweep.stack, *_at(sweep, one.strengths)]) for one in measured]
    files = host.show(pictures[[one.index for one in measured]], "lora_rack_frame", shown)
    frames = [
        {**file, "strengths": list(one.strengths), "latent": one.latent, "measures": one.measures.as_json()}
        for file, one in zip(files, measured, strict=True)
    ]
    return {
        "lora_rack_frames": frames,
        "lora_rack_axes": [{"lora": axis.entry.name, "values": list(axis.values)} for axis in sweep.axes],
        "lora_rack_sheet": host.show(sheet[None], "lora_rack_sheet", [whole]),
    }


def _at(sweep: Sweep, strengths: Sequence[float]) -> list[Entry]:
    """The swept entries of one picture."""
    return [axis.at(value) for axis, value in zip(sweep.axes, strengths, strict=True)]
