"""The picture code: a linear encoder written down by principal components, and a small trained decoder.

The encoder maps each 8 x 8 patch of a picture to 16 numbers, so latents are there before any training, and
its pseudo-inverse turns a latent back into a (soft) picture with one matrix product. The decoder has the
layers of TAESD (Bohan 2023, MIT licence; layer list as the host names it) with fewer channels; export.py
pads it with zeros to the host's fixed 64.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

PATCH_PX = 8
LATENT_CHANNELS = 16
WIDTHS = (64, 64, 32, 24)
DECODER_SCALE = (
    0.5  # the decoder sees latents times this, so that rare large values stay inside its soft clamp
)
WHITENING = 0.70  # 0 keeps the components' own sizes, 1 makes all of unit size


@dataclass(frozen=True)
class PatchCode:
    """A linear code of 8 x 8 RGB patches; patches are flat (y, x, colour), 192 numbers in 0…1."""

    mean: Tensor  # (192,)
    encode_matrix: Tensor  # (16, 192)
    decode_matrix: Tensor  # (192, 16)
    pixel_size: Tensor  # (16,): root mean square, in pixel values, of what one unit of a channel paints

    def encode(self, pictures: Tensor) -> Tensor:
        """(n, H, W, 3) in 0…1 to latents (n, 16, H/8, W/8)."""
        n, height, width, _ = pictures.shape
        rows, columns = height // PATCH_PX, width // PATCH_PX
        patches = pictures.reshape(n, rows, PATCH_PX, columns, PATCH_PX, 3).permute(0, 1, 3, 2, 4, 5)
        return ((patches.reshape(n, rows, columns, -1) - self.mean) @ self.encode_matrix.T).permute(
            0, 3, 1, 2
        )

    def decode(self, latents: Tensor) -> Tensor:
        """Latents (n, 16, h, w) to soft pictures (n, 8h, 8w, 3), not clamped."""
        n, _, rows, columns = latents.shape
        patches = latents.permute(0, 2, 3, 1) @ self.decode_matrix.T + self.mean
        patches = patches.reshape(n, rows, columns, PATCH_PX, PATCH_PX, 3).permute(0, 1, 3, 2, 4, 5)
        return patches.reshape(n, rows * PATCH_PX, columns * PATCH_PX, 3)

    def save(self, path: Path) -> None:
        """Write the code as a torch file."""
        torch.save(self.__dict__, path)

    @staticmethod
    def load(path: Path) -> PatchCode:
        """Read what `save` wrote."""
        return PatchCode(**torch.load(path))


def fit_patch_code(pictures: Tensor) -> PatchCode:
    """Principal components of the 8 x 8 patches of pictures (n, H, W, 3)."""
    n, height, width, _ = pictures.shape
    patches = pictures.reshape(n, height // PATCH_PX, PATCH_PX, width // PATCH_PX, PATCH_PX, 3)
    flat = patches.permute(0, 1, 3, 2, 4, 5).reshape(-1, PATCH_PX * PATCH_PX * 3).double()
    mean = flat.mean(0)
    values, vectors = torch.linalg.eigh((flat - mean).T @ (flat - mean) / len(flat))
    order = values.argsort(descending=True)[:LATENT_CHANNELS]
    sizes, basis = values[order].sqrt(), vectors[:, order].T
    scale = (sizes / sizes[0]) ** (1 - WHITENING) / sizes
    return PatchCode(
        mean.float(), (basis * scale[:, None]).float(), (basis / scale[:, None]).T.float(),
        (1 / scale / (PATCH_PX * PATCH_PX * 3) ** 0.5).float(),
    )  # fmt: skip


class Convolution(nn.Module):
    """A 3 x 3 convolution whose weight is kept as a matrix (out, in * 9), as Muon wants it."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__()
        like = nn.Conv2d(inputs, outputs, 3, bias=bias)
        self.inputs = inputs
        self.weight = nn.Parameter(like.weight.detach().flatten(1))
        self.bias = nn.Parameter(like.bias.detach()) if like.bias is not None else None

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight.unflatten(1, (self.inputs, 3, 3)), self.bias, padding=1)


class Clamp(nn.Module):
    """Soft limit of latents to -3…3."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / 3) * 3


class Block(nn.Module):
    """Three convolutions around a skip."""

    def __init__(self, width: int) -> None:
        super().__init__()
        first, second, third = (Convolution(width, width) for _ in range(3))
        self.conv = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), third)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x) + x)


def make_decoder(widths: tuple[int, int, int, int] = WIDTHS) -> nn.Sequential:
    """The decoder: latents (n, 16, h, w) to pictures (n, 3, 8h, 8w) in 0…1. Layer indices are the host's."""
    a, b, c, d = widths
    layers: list[nn.Module] = [
        Clamp(),
        Convolution(LATENT_CHANNELS, a),
        nn.ReLU(),
        Block(a),
        Block(a),
        Block(a),
    ]
    for before, after, blocks in ((a, b, 3), (b, c, 3), (c, d, 1)):
        layers += [nn.Upsample(scale_factor=2), Convolution(before, after, bias=False)]
        layers += [Block(after) for _ in range(blocks)]
    layers.append(Convolution(d, 3))
    decoder = nn.Sequential(*layers)
    for module in decoder.modules():
        if isinstance(module, Block):
            last = module.conv[4]
            assert isinstance(last, Convolution)
            nn.init.zeros_(last.weight)
    return decoder


def load_pictures(array: np.ndarray) -> Tensor:
    """8-bit pictures (n, H, W, 3) as floats 0…1."""
    return torch.from_numpy(array).float() / 255
