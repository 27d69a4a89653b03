"""Train the slider LoRAs against the frozen diffusion model.

    python -m tools.demo_model.train_sliders CACHE_DIR [NAME ...]

Reads `code.pt` and `diffusion.pt`, writes `NAME.pt`. For a picture, a strength s and the same noise for
both, the frozen model guesses the clean picture from the noisy normal one; the slider model, given the
noisy *changed* one and s, must guess the changed version of that guess. So the slider learns the change and
nothing of the layout, and both ends of the way (all noise, no noise) are right: the input is what it meets
when it samples.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from . import dataset
from .autoencoder import PatchCode, load_pictures
from .captions import Captioner, Context
from .diffusion import TinyMMDiT
from .sliders import SLIDERS, Slider, add_slider, load_lora, lora_tensors, set_strengths, trained
from .train_diffusion import channel_weights, draw_times

SEED = 37
BATCH = 32
LEARNING_RATE = 3e-3
LARGEST_STRENGTH = 2.2
# Channels from here on have no mean: they draw patterns inside a patch. Detail also scales them a little.
FIRST_PATTERN_CHANNEL, LOCAL_CONTRAST = 4, 0.10


class Examples:
    """Pairs of a normal and a changed picture as latents, with captions."""

    def __init__(self, folder: Path, code: PatchCode, slider: Slider) -> None:
        self.code, self.slider = code, slider
        self.pictures = {d: dataset.load(folder, f"detail_{d}") for d in dataset.DETAILS}
        part_words = sorted(folder.glob("words_?.npy"))
        share = len(self.pictures[0]) // len(part_words)
        self.words: NDArray[np.bool_] = np.concatenate([np.load(file)[:share] for file in part_words])

    def strengths(self, rng: np.random.Generator) -> Tensor:
        """One strength per sample; detail is painted at whole strengths only."""
        if self.slider.change is None:
            drawn = rng.choice([s for s in dataset.DETAILS if s], size=BATCH)
        else:
            drawn = rng.uniform(-LARGEST_STRENGTH, LARGEST_STRENGTH, size=BATCH)
        return torch.from_numpy(drawn.astype(np.float32))

    def changed(self, latents: Tensor, strengths: Tensor) -> Tensor:
        """The latents of the changed pictures, by way of soft pictures; for sliders with a `change`."""
        assert self.slider.change is not None, "detail has no change of pixels"
        soft = self.code.decode(latents).clamp(0, 1)
        pairs = zip(soft.numpy(), strengths, strict=True)
        new = torch.from_numpy(np.stack([self.slider.change(p, float(s)) for p, s in pairs]))
        # What the linear code cannot say, and values beyond 0…1, must not count as change.
        return latents + self.code.encode(new) - self.code.encode(soft)

    def pair(self, chosen: NDArray[np.int64], strengths: Tensor) -> tuple[Tensor, Tensor]:
        """Latents of the normal and of the changed (or repainted) pictures."""
        normal = self.code.encode(load_pictures(self.pictures[0][chosen]))
        if self.slider.change is not None:
            return normal, self.changed(normal, strengths)
        painted = [self.pictures[int(s)][i] for s, i in zip(strengths, chosen, strict=True)]
        return normal, self.code.encode(load_pictures(np.stack(painted)))


def wanted_guess(examples: Examples, guess: Tensor, pair: tuple[Tensor, Tensor], strengths: Tensor) -> Tensor:
    """The changed version of the frozen model's guess of the clean latent."""
    if examples.slider.change is not None:
        return examples.changed(guess, strengths)
    normal, painted = pair
    return sharpened(guess + painted - normal, strengths)


def sharpened(latents: Tensor, strengths: Tensor) -> Tensor:
    """Patterns inside the patches stronger by LOCAL_CONTRAST for each unit of strength."""
    factors = torch.ones(len(strengths), latents.shape[1], 1, 1)
    factors[:, FIRST_PATTERN_CHANNEL:] += LOCAL_CONTRAST * strengths[:, None, None, None]
    return latents * factors


def slider_loss(
    model: nn.Module,
    frozen: nn.Module,
    examples: Examples,
    drawn: tuple[NDArray[np.int64], Tensor, Context, Tensor],
) -> Tensor:
    """Weighted squared error of the velocity, as in training the model itself."""
    chosen, strengths, context, times = drawn
    share = times[:, None, None, None]
    with torch.no_grad():
        normal, painted = examples.pair(chosen, strengths)
        noise = torch.randn_like(normal)
        mixed = (1 - share) * normal + share * noise
        with torch.autocast("cpu", torch.bfloat16):
            velocity = frozen(mixed, times, context.rows, context.log_count)
        guess = mixed - share * velocity.float()
        target = wanted_guess(examples, guess, (normal, painted), strengths)
        if examples.slider.change is None:
            painted = sharpened(painted, strengths)
        changed_mix = (1 - share) * painted + share * noise
    with torch.autocast("cpu", torch.bfloat16):
        velocity = model(changed_mix, times, context.rows, context.log_count)
    # Velocity from a guess: (mixed - guess) / share; the share is kept away from zero.
    wanted = (changed_mix - target) / share.clamp(min=0.05)
    made = velocity.float() * share / share.clamp(min=0.05)
    return (channel_weights(examples.code) * (made - wanted) ** 2).mean()


def train(folder: Path, name: str, steps: int | None = None, no_text: float = 0.2) -> None:
    """Train one slider, from NAME.pt if there is one, and write its tensors."""
    slider = SLIDERS[name]
    steps = steps or slider.steps
    code = PatchCode.load(folder / "code.pt")
    examples, captioner = Examples(folder, code, slider), Captioner()
    weights = torch.load(folder / "diffusion.pt")["average"]
    frozen, model = TinyMMDiT(), TinyMMDiT()
    frozen.load_state_dict(weights)
    model.load_state_dict(weights)
    torch.manual_seed(SEED)
    layers = add_slider(model)
    path, done = folder / f"{name}.pt", 0
    if path.exists():
        saved = torch.load(path)
        done = saved["steps"]
        load_lora(layers, saved["lora"])
    optimizer = torch.optim.AdamW(trained(layers), lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=0.0)
    rng = np.random.default_rng([SEED, done])
    started, running = time.monotonic(), 0.0
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * min(1, (step + 1) / 20) * (1 - step / steps)
        chosen = rng.integers(len(examples.words), size=BATCH)
        strengths = examples.strengths(rng)
        set_strengths(layers, strengths)
        context = captioner.training(examples.words[chosen], rng, no_text)
        loss = slider_loss(model, frozen, examples, (chosen, strengths, context, draw_times(BATCH, rng)))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(list(trained(layers)), 1.0)
        optimizer.step()
        running += float(loss.detach()) / 25
        if (step + 1) % 25 == 0:
            seconds = time.monotonic() - started
            print(f"{name}  step {step + 1}  loss {running:.4f}  {seconds:.0f} s", flush=True)
            running = 0.0
    torch.save({"lora": lora_tensors(layers), "steps": done + steps}, path)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", default=list(SLIDERS))
    parser.add_argument("--steps", type=int, default=None, help="other than the slider's own number")
    parser.add_argument("--no-text", type=float, default=0.2, help="share of samples without a caption")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.names:
        train(options.folder, name, options.steps, options.no_text)


if __name__ == "__main__":
    main()
