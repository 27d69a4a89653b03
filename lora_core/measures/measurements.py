"""What was measured on the pictures of a sweep, as the JSON its nodes give out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..axes import Sweep
from ..errors import SweepMismatch
from .metrics import SCALES, Measures, measure


@dataclass(frozen=True)
class Measured:
    """One picture of a sweep. `strengths` has one number per axis; `latent` counts from 0."""

    strengths: tuple[float, ...]
    latent: int
    index: int  # of its first frame in the batch
    measures: Measures


def measure_sweep(sweep: Sweep, pictures: NDArray[Any], latents: int) -> list[Measured]:
    """Measures of every picture, row by row of the sweep, (N, H, W, 3); several frames a picture are one.

    As files show them: what is no number is black, what is beside 0…1 is cut off, a fourth channel left out.

    Raises SweepMismatch where N is no multiple of the sweep's rows times its latents.
    """
    count = len(sweep.rows) * latents
    frames, rest = divmod(len(pictures), count)
    if rest or not frames:
        raise SweepMismatch(
            f"there are {len(pictures)} pictures for a sweep of {len(sweep.rows)} strengths times {latents} "
            f"{'latent' if latents == 1 else 'latents'}. Connect all pictures of the sweep, in their order"
        )
    return [
        Measured(
            sweep.rows[place // latents],
            place % latents,
            place * frames,
            measure(as_shown(pictures[place * frames : (place + 1) * frames])),
        )
        for place in range(count)
    ]


def as_shown(pictures: NDArray[Any]) -> NDArray[Any]:
    """Pictures (…, 3 or more) as an 8-bit file shows them, in their own dtype."""
    shown: NDArray[Any] = np.nan_to_num(np.clip(pictures[..., :3], 0, 1), copy=False)
    return shown


def as_json(sweep: Sweep, measured: Sequence[Measured], passes: str) -> dict[str, Any]:
    """The whole as JSON: the axes, every picture, what the numbers mean, and how it was sampled."""
    axes = [{"lora": axis.entry.name, "values": list(axis.values)} for axis in sweep.axes]
    pictures = [
        {"strengths": list(one.strengths), "latent": one.latent, **one.measures.as_json()} for one in measured
    ]
    scales = {name: asdict(scale) for name, scale in SCALES.items()}
    return {"axes": axes, "pictures": pictures, "measures": scales, "sampling": passes}
