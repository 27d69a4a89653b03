"""Train the diffusion model on the painted pictures' latents.

    python -m tools.demo_model.train_diffusion CACHE_DIR --steps N [--fall M]

Needs `code.pt` (train_decoder writes it first thing). Writes `diffusion.pt` into CACHE_DIR every 100 steps
and continues from one it finds, until N steps are done in all; the learning rate falls to zero over the
last M. Flow matching (Lipman et al. 2023) with Muon (Jordan 2024) on the blocks' matrices and AdamW on the
rest.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from . import dataset
from .autoencoder import PatchCode, load_pictures
from .captions import Captioner, Context
from .diffusion import TinyMMDiT

SEED = 23
BATCH = 64
MUON_RATE, ADAM_RATE = 4e-3, 2e-3
EMA = 0.995
TIME_SHIFT = 2.0


def latents_of(code: PatchCode, pictures: np.ndarray) -> Tensor:
    """All latents (n, 16, 16, 16) of 8-bit pictures, in chunks to keep memory low."""
    chunks = [code.encode(load_pictures(pictures[i : i + 500])) for i in range(0, len(pictures), 500)]
    return torch.cat(chunks)


def channel_weights(code: PatchCode) -> Tensor:
    """How much each latent channel counts, (16, 1, 1), mean 1: more where it moves more pixels."""
    weights = code.pixel_size**0.5
    return (weights / weights.mean())[:, None, None]


def draw_times(count: int, rng: np.random.Generator) -> Tensor:
    """Noise levels 0…1, one in each of `count` equal strata, shifted towards noise."""
    u = torch.from_numpy(((np.arange(count) + rng.random(count)) / count).astype(np.float32))
    return TIME_SHIFT * u / (1 + (TIME_SHIFT - 1) * u)


def flow_loss(
    model: Callable[..., Tensor], latents: Tensor, context: Context, times: Tensor, weights: Tensor
) -> Tensor:
    """Weighted squared error of the predicted velocity."""
    noise = torch.randn_like(latents)
    share = times[:, None, None, None]
    with torch.autocast("cpu", torch.bfloat16):
        velocity = model((1 - share) * latents + share * noise, times, context.rows, context.log_count)
    return (weights * (velocity.float() - (noise - latents)) ** 2).mean()


def make_optimizers(model: nn.Module) -> list[torch.optim.Optimizer]:
    """Muon for the blocks' attention and MLP matrices, AdamW for everything else."""
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        is_matrix = parameter.ndim == 2 and (".attn." in name or ".mlp.fc" in name) and "ln_" not in name
        (matrices if is_matrix else others).append(parameter)
    muon = torch.optim.Muon(matrices, lr=MUON_RATE, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
    return [muon, torch.optim.AdamW(others, lr=ADAM_RATE, betas=(0.9, 0.98), weight_decay=0.0)]


def rate_factor(step: int, steps: int, fall: int) -> float:
    """A short rise, a plateau, a straight fall over the last `fall` steps."""
    return min(1.0, (step + 1) / 100, (steps - step) / fall if fall else 1.0)


def train(folder: Path, steps: int, fall: int) -> None:
    """Train until `steps` steps are done in all."""
    code = PatchCode.load(folder / "code.pt")
    latents = latents_of(code, dataset.load(folder, "normal"))
    words = dataset.load(folder, "words").astype(bool)
    captioner, weights = Captioner(), channel_weights(code)
    torch.manual_seed(SEED)
    model, average = TinyMMDiT(), TinyMMDiT()
    average.load_state_dict(model.state_dict())
    optimizers = make_optimizers(model)
    path, first = folder / "diffusion.pt", 0
    if path.exists():
        saved = torch.load(path)
        first = saved["step"]
        model.load_state_dict(saved["model"])
        average.load_state_dict(saved["average"])
        for optimizer, state in zip(optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
    compiled = torch.compile(model)
    base_rates = [MUON_RATE, ADAM_RATE]
    rng = np.random.default_rng([SEED, first])
    torch.manual_seed(SEED + first)
    started, running = time.monotonic(), 0.0
    for step in range(first, steps):
        for optimizer, rate in zip(optimizers, base_rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * rate_factor(step, steps, fall)
        chosen = rng.integers(len(latents), size=BATCH)
        context = captioner.training(words[chosen], rng)
        loss = flow_loss(compiled, latents[chosen], context, draw_times(BATCH, rng), weights)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        for mean, new in zip(average.parameters(), model.parameters(), strict=True):
            mean.data.lerp_(new.data, 1 - min(EMA, (step + 1) / (step + 20)))
        running += float(loss.detach()) / 100
        if (step + 1) % 100 == 0 or step + 1 == steps:
            state = {"step": step + 1, "model": model.state_dict(), "average": average.state_dict()}
            torch.save(state | {"optimizers": [optimizer.state_dict() for optimizer in optimizers]}, path)
            print(f"step {step + 1}  loss {running:.4f}  {time.monotonic() - started:.0f} s", flush=True)
            running = 0.0


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--fall", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    train(options.folder, options.steps, options.fall)


if __name__ == "__main__":
    main()
