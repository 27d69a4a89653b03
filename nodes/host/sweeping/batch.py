"""The batch of a sweep, cut into parts: noise, latents, mask, progress and random state of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import comfy.sample
import comfy.utils
import torch
from torch import Tensor

from .conds import CondPart

# Latents along the longer side of a preview of all rows. The host shows 512 pixels.
_PREVIEW_SIDE = 128


@dataclass(frozen=True, eq=False)
class Batch:
    """What the host samples: `size` rows a strength, one strength after another.

    `mask` has a row per row of the batch, or one for all of them.
    """

    noise: Tensor
    latent: Tensor
    mask: Tensor | None
    size: int
    shapes: Any  # of the latents that are packed into one, where the host says so

    @classmethod
    def of(
        cls, noise: Tensor, latent: Tensor, mask: Tensor | None, size: int, shapes: Any, seed: int | None
    ) -> Batch:
        """From what the host samples. Each strength starts from the noise of the first, whoever drew it.

        `seed` is what noise was drawn by, where the latents of one strength had no numbers of their own.
        """
        alone = _tiled(_noise_alone(noise, latent, size, seed), noise.shape[0] // size)
        return cls(alone, latent, _mask(mask, noise, size), size, shapes)

    @property
    def rows(self) -> int:
        """All rows."""
        return self.noise.shape[0]

    @property
    def device(self) -> torch.device:
        """Where the host has put the noise."""
        return self.noise.device

    def of_part(self, part: CondPart) -> tuple[Tensor, Tensor, Tensor | None, Any]:
        """Noise, latents, mask and shapes of a part, copies all: sampling may write into them."""
        rows = part.rows
        mask = self.mask
        if mask is not None:
            mask = mask[rows].clone() if mask.shape[0] == self.rows else mask.clone()
        shapes = self.shapes
        if shapes is not None:
            shapes = [torch.Size([rows.stop - rows.start, *shape[1:]]) for shape in shapes]
        return self.noise[rows].clone(), self.latent[rows].clone(), mask, shapes


def _noise_alone(noise: Tensor, latent: Tensor, size: int, seed: int | None) -> Tensor:
    """The noise of one strength as the host would draw it without the others.

    Torch draws the last of every 16 numbers in a way of its own, so noise drawn latent by latent, as the host
    does for numbered ones, is not quite that of a whole batch.
    """
    alone = noise[:size]
    if seed is None or size == 1 or noise[0].numel() % 16 == 0:
        return alone
    state = torch.get_rng_state()
    numbered = comfy.sample.prepare_noise(latent, seed, list(range(size)) * (noise.shape[0] // size))
    if torch.equal(numbered, noise):
        drawn: Tensor = comfy.sample.prepare_noise(latent[:size], seed)
        return drawn
    torch.set_rng_state(state)
    return alone


def _tiled(tensor: Tensor, count: int) -> Tensor:
    return tensor.repeat(count, *[1] * (tensor.ndim - 1))


def _mask(mask: Tensor | None, noise: Tensor, size: int) -> Tensor | None:
    """A mask as `reshape_mask` of the host spreads it over the rows of one strength, for every strength.

    Hosts after 0.3.75 have spread it over all rows by now, over and over again where it has fewer.
    """
    if mask is None:
        return None
    if mask.shape == noise.shape:
        return _tiled(mask[:size], mask.shape[0] // size) if _has_spread(mask) else mask
    if noise.ndim == 4:
        mask = mask.reshape(-1, 1, *mask.shape[-2:])
    elif noise.ndim == 5 and mask.ndim < 5:
        return mask.reshape(1, 1, -1, *mask.shape[-2:])  # its rows are frames
    if mask.shape[0] in (1, noise.shape[0]):
        return mask
    return _tiled(comfy.utils.repeat_to_batch_size(mask, size), noise.shape[0] // size)


def _has_spread(mask: Tensor) -> bool:
    """Whether the rows are the first few of them, again and again."""
    return any(torch.equal(mask[:-count], mask[count:]) for count in range(1, mask.shape[0]))


class Progress:
    """The host's callback, told of rows times steps, and of all rows whatever part is sampled.

    With `columns` it is shown one picture of all rows, that many side by side.
    """

    def __init__(self, callback: Any, batch: Batch, columns: int) -> None:
        self._callback = callback
        self._rows = batch.rows
        self._columns = columns
        self._denoised: Tensor | None = None

    def of(self, part: CondPart) -> Any:
        """The callback for a part; None where the host wants none."""
        if self._callback is None:
            return None
        rows = part.rows

        def tell(step: int, denoised: Tensor, x: Tensor, steps: int) -> None:
            if denoised.shape[0] != self._rows:
                denoised = self._among_all(denoised, rows)
            shown = _mosaic(denoised, self._columns) if self._columns else denoised
            # Steps count from 0 here, and the host's bars add 1.
            done = rows.start * steps + (step + 1) * (rows.stop - rows.start)
            self._callback(done - 1, shown, x, self._rows * steps)

        return tell

    def _among_all(self, denoised: Tensor, rows: slice) -> Tensor:
        if self._denoised is None or self._denoised.shape[1:] != denoised.shape[1:]:
            self._denoised = denoised.new_zeros((self._rows, *denoised.shape[1:]))
        whole = self._denoised.clone()
        whole[rows] = denoised
        self._denoised = whole
        return whole


def _mosaic(denoised: Tensor, columns: int) -> Tensor:
    """Latents side by side as one, so that the host's preview shows all of them.

    No larger than one of them or _PREVIEW_SIDE: a preview may be decoded, in the memory its size takes.
    """
    if denoised.ndim != 4:
        return denoised
    lines = [torch.cat(list(line), dim=-1) for line in torch.split(denoised, columns)]
    mosaic = torch.cat([line for line in lines if line.shape == lines[0].shape], dim=-2).unsqueeze(0)
    side, most = max(mosaic.shape[-2:]), max(_PREVIEW_SIDE, *denoised.shape[-2:])
    if side <= most:
        return mosaic
    size = [max(1, round(length * most / side)) for length in mosaic.shape[-2:]]
    return torch.nn.functional.interpolate(mosaic, size, mode="area")


@dataclass(frozen=True, eq=False)
class RandomState:
    """Torch's random numbers as they were when a sampling began: each part begins there."""

    cpu: Tensor
    accelerator: Tensor | None

    @classmethod
    def now(cls, device: torch.device) -> RandomState:
        """The state of the CPU's generator, and of the CUDA device's."""
        is_cuda = device.type == "cuda"
        return cls(torch.get_rng_state(), torch.cuda.get_rng_state(device) if is_cuda else None)

    def restore(self) -> None:
        """Go back to it."""
        torch.set_rng_state(self.cpu)
        if self.accelerator is not None:
            torch.cuda.set_rng_state(self.accelerator)
