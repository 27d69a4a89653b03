"""Fit the linear picture code, then train the decoder.

    python -m tools.demo_model.train_decoder CACHE_DIR --steps 2500

Writes `code.pt` and, every 100 steps, `decoder.pt` into CACHE_DIR; continues from a `decoder.pt` it finds.
The learning rate falls to zero over the last fifth of the steps. The decoder also sees lightly disturbed
latents and pictures of all slider strengths, because it has to draw what the diffusion model and the
sliders hand it.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import dataset
from .autoencoder import DECODER_SCALE, PatchCode, fit_patch_code, make_decoder
from .colour import change_brightness, change_saturation

SEED = 11
BATCH = 8
MUON_RATE, ADAM_RATE = 3e-3, 1e-3
LATENT_NOISE = 0.08
EMA = 0.995


class Pictures:
    """Random training pictures: half normal ones, half of changed detail, brightness and saturation."""

    def __init__(self, folder: Path) -> None:
        self.normal = dataset.load(folder, "normal")
        self.details = [dataset.load(folder, f"detail_{detail}") for detail in dataset.DETAILS]

    def batch(self, count: int, rng: np.random.Generator) -> Tensor:
        """(count, 128, 128, 3) in 0…1."""
        chosen = []
        for _ in range(count):
            kind = rng.integers(4)
            source = self.normal if kind < 2 else self.details[rng.integers(len(self.details))]
            picture = source[rng.integers(len(source))].astype(np.float32) / np.float32(255)
            if kind == 1:
                picture = change_brightness(picture, float(rng.uniform(-2.2, 2.2)))
            if kind == 3:
                picture = change_saturation(picture, float(rng.uniform(-2.2, 2.2)))
            chosen.append(picture)
        return torch.from_numpy(np.stack(chosen))


def picture_loss(made: Tensor, wanted: Tensor) -> Tensor:
    """Absolute error at three sizes plus absolute error of neighbouring differences, (n, 3, H, W)."""
    loss = (made - wanted).abs().mean()
    for axis in (2, 3):
        loss = loss + (made.diff(dim=axis) - wanted.diff(dim=axis)).abs().mean()
    for size in (2, 4):
        loss = loss + 0.5 * (F.avg_pool2d(made, size) - F.avg_pool2d(wanted, size)).abs().mean()
    return loss


def make_optimizers(decoder: nn.Module) -> list[torch.optim.Optimizer]:
    """Muon for the inner convolutions, AdamW for the first, the last and the biases."""
    inner: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in decoder.named_parameters():
        is_inner = parameter.ndim == 2 and not name.startswith(("1.", "19."))
        (inner if is_inner else others).append(parameter)
    muon = torch.optim.Muon(inner, lr=MUON_RATE, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
    return [muon, torch.optim.AdamW(others, lr=ADAM_RATE, betas=(0.9, 0.98), weight_decay=0.0)]


def rate_factor(step: int, steps: int) -> float:
    """A short rise, a plateau, a straight fall over the last fifth."""
    return min(1.0, (step + 1) / 50, max(0.0, (steps - step) / (0.2 * steps)))


def code_for(folder: Path, pictures: Pictures) -> PatchCode:
    """The linear code: read from the cache, or fitted to 1,600 pictures."""
    path = folder / "code.pt"
    if not path.exists():
        rng = np.random.default_rng(SEED)
        fit_patch_code(pictures.batch(1600, rng)).save(path)
    return PatchCode.load(path)


def train(folder: Path, steps: int) -> None:
    """Train until `steps` steps are done in all."""
    pictures = Pictures(folder)
    code = code_for(folder, pictures)
    decoder = make_decoder().to(memory_format=torch.channels_last)
    average = make_decoder()
    average.load_state_dict(decoder.state_dict())
    optimizers = make_optimizers(decoder)
    path, first = folder / "decoder.pt", 0
    if path.exists():
        saved = torch.load(path)
        first = saved["step"]
        decoder.load_state_dict(saved["decoder"])
        average.load_state_dict(saved["average"])
        for optimizer, state in zip(optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
    compiled = cast(nn.Module, torch.compile(decoder))
    rng = np.random.default_rng([SEED, first])
    torch.manual_seed(SEED + first)
    started, running = time.monotonic(), 0.0
    for step in range(first, steps):
        for optimizer, rate in zip(optimizers, (MUON_RATE, ADAM_RATE), strict=True):
            optimizer.param_groups[0]["lr"] = rate * rate_factor(step, steps)
        running += train_step(compiled, optimizers, code, pictures.batch(BATCH, rng)) / 100
        for mean, new in zip(average.parameters(), decoder.parameters(), strict=True):
            mean.data.lerp_(new.data, 1 - min(EMA, (step + 1) / (step + 20)))
        if (step + 1) % 100 == 0 or step + 1 == steps:
            state = {"step": step + 1, "decoder": decoder.state_dict(), "average": average.state_dict()}
            torch.save(state | {"optimizers": [optimizer.state_dict() for optimizer in optimizers]}, path)
            print(f"step {step + 1}  loss {running:.4f}  {time.monotonic() - started:.0f} s", flush=True)
            running = 0.0


def train_step(
    decoder: nn.Module, optimizers: list[torch.optim.Optimizer], code: PatchCode, wanted: Tensor
) -> float:
    """One step on pictures (n, H, W, 3); returns the loss."""
    latents = code.encode(wanted)
    latents = latents + LATENT_NOISE * torch.rand(len(latents), 1, 1, 1) * torch.randn_like(latents)
    with torch.autocast("cpu", torch.bfloat16):
        made = decoder((latents * DECODER_SCALE).contiguous(memory_format=torch.channels_last))
    loss = picture_loss(made.float(), wanted.permute(0, 3, 1, 2))
    loss.backward()
    nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()
    return float(loss.detach())


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=2500)
    options = parser.parse_args()
    torch.set_num_threads(1)
    train(options.folder, options.steps)


if __name__ == "__main__":
    main()
