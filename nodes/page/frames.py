"""What the page's scrubber gets of a sweep: every picture with its strengths and measures, and the sheet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ...lora_core.axes import Sweep
from ...lora_core.measures import Measured
from ...lora_core.stack import Entry
from .. import host
from .shown import Shown

SHOWN = Shown()

_KIND = "LoraRackSweep"  # of the records in the pictures


def frames_for_page(
    node: object, sweep: Sweep, measured: Sequence[Measured], pictures: Tensor, sheet: Tensor
) -> dict[str, list[Any]]:
    """The `ui` of `node`, an object the host keeps from run to run; `pictures` are (N, H, W, 3), `sheet` is
    (H, W, 3). The files are in the host's temp folder.

    None of it is called `images`: the host would show a gallery of its own below the scrubber.
    """
    whole = host.record(_KIND, sweep.stack, sweep.axes)
    records = [host.record(_KIND, [*sweep.stack, *_at(sweep, one.strengths)]) for one in measured]
    files = _shown(node, pictures[[one.index for one in measured]], "lora_rack_frame", records)
    frames = [
        {**file, "strengths": list(one.strengths), "latent": one.latent, "measures": one.measures.as_json()}
        for file, one in zip(files, measured, strict=True)
    ]
    return {
        "lora_rack_frames": frames,
        "lora_rack_axes": [{"lora": axis.entry.name, "values": list(axis.values)} for axis in sweep.axes],
        "lora_rack_sheet": _shown(node, sheet[None], "lora_rack_sheet", [whole]),
    }


def _shown(node: object, pictures: Tensor, prefix: str, records: Sequence[Any]) -> list[dict[str, str]]:
    files = host.show(pictures, prefix, records)
    SHOWN.add(f"{id(node)} {prefix}", [host.shown_path(file) for file in files])
    return files


def _at(sweep: Sweep, strengths: Sequence[float]) -> list[Entry]:
    """The swept entries of one picture."""
    return [axis.at(value) for axis, value in zip(sweep.axes, strengths, strict=True)]
