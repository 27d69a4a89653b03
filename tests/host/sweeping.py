"""The demo model swept by our nodes, and each of its strengths rendered alone by the host's own loader."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import comfy.sd
import folder_paths
import nodes
import torch
from in_host import ROOT
from torch import Tensor

MODELS = ROOT / "demo" / "models"
# Largest difference of a latent, in standard deviations, and of a picture, in steps of 1/255.
LATENT_TOLERANCE, PICTURE_TOLERANCE = 1e-3, 2

Rows = Sequence[tuple[str, float, float]]


@lru_cache(maxsize=1)
def demo() -> tuple[Any, Any]:
    """Model and VAE."""
    checkpoint = str(MODELS / "checkpoints" / "rack_demo.safetensors")
    model, _, vae, _ = comfy.sd.load_checkpoint_guess_config(checkpoint)
    return model, vae


@lru_cache(maxsize=1)
def demo_clip() -> Any:
    """The demo's text encoder. An encoding takes longer than a picture."""
    encoder = Path(os.environ["RACK_BASE_DIR"]) / "models" / "text_encoders" / "rack_demo_clip.safetensors"
    return comfy.sd.load_clip([str(encoder)], clip_type=comfy.sd.CLIPType.SD3)


@torch.inference_mode()
def encoded(clip: Any, text: str) -> Any:
    """A prompt by the host's own node."""
    return nodes.CLIPTextEncode().encode(clip, text)[0]


@lru_cache(maxsize=8)
def prompt(text: str) -> Any:
    """A prompt by the text encoder as it is."""
    return encoded(demo_clip(), text)


@dataclass(frozen=True)
class Scene:
    """What to paint, small: 64 × 64 pixels are 8 × 8 latents of 16 channels."""

    sampler: str = "euler"
    scheduler: str = "simple"
    steps: int = 3
    cfg: float = 1.0
    denoise: float = 1.0
    seed: int = 5
    latents: int = 1
    size: int = 64
    options: dict[str, Any] = field(default_factory=dict)  # of the latent: noise_mask, samples
    change: Callable[[Any], Any] | None = None  # of the positive conditioning
    text: str = "day mountains lake"

    def latent(self) -> dict[str, Any]:
        side = self.size // 8
        return {"samples": torch.zeros(self.latents, 16, side, side), **self.options}

    @torch.inference_mode()
    def sample(self, model: Any, positive: Any, negative: Any, latent: Any) -> Tensor:
        """The host's KSampler."""
        positive = self.change(positive) if self.change else positive
        how = (self.seed, self.steps, self.cfg, self.sampler, self.scheduler)
        (out,) = nodes.KSampler().sample(model, *how, positive, negative, latent, self.denoise)
        return out["samples"]


def alone(model: Any, rows: Rows, scene: Scene, clip: Any = None) -> Tensor:
    """The host's own loaders one after another, then its KSampler."""
    for name, strength_model, strength_clip in rows:
        strengths = (strength_model, strength_clip)
        model, clip = nodes.LoraLoader().load_lora(model, clip, f"{name}.safetensors", *strengths)
    encode = prompt if clip is None else (lambda text: encoded(clip, text))
    return scene.sample(model, encode(scene.text), encode(""), scene.latent())


@dataclass(frozen=True)
class Result:
    """Samples of all rows in order, and what the node says of its passes."""

    samples: Tensor
    passes: Any
    size: int

    def row(self, number: int) -> Tensor:
        """The samples of one strength."""
        return self.samples[number * self.size : (number + 1) * self.size]


@torch.inference_mode()
def swept(pack: Any, model: Any, axes: str, scene: Scene, clip: Any = None, stack: Any = None) -> Result:
    """Our sweep nodes, then the host's KSampler."""
    ours = pack.NODE_CLASS_MAPPINGS
    model, clip, latent, sweep = ours["LoraRackSweep"]().prepare(model, scene.latent(), axes, clip, stack)
    prompts = [prompt(scene.text), prompt("")]
    if clip is not None:
        encode = ours["LoraRackSweepEncode"]().encode
        prompts = [encode(clip, sweep, text)[0] for text in (scene.text, "")]
    return Result(scene.sample(model, *prompts, latent), sweep.passes, scene.latents)


def largest_difference(ours: Tensor, theirs: Tensor) -> float:
    """In standard deviations of the host's latent."""
    assert ours.shape == theirs.shape
    return float((ours.double() - theirs.double()).abs().max() / theirs.double().std())


@torch.inference_mode()
def largest_step(ours: Tensor, theirs: Tensor) -> int:
    """Of decoded pictures as files hold them, 0 to 255."""
    vae = demo()[1]
    pictures = [(vae.decode(samples).clamp(0, 1) * 255).round() for samples in (ours, theirs)]
    return int((pictures[0] - pictures[1]).abs().max())


def check(ours: Result, theirs: Sequence[Tensor], record: Any, differ: float = 0.02) -> None:
    """Each row is the host's; and the host's rows differ, so that this says something."""
    differences = [largest_difference(ours.row(i), row) for i, row in enumerate(theirs)]
    record("largest_difference", max(differences))
    assert max(differences) <= LATENT_TOLERANCE, differences
    assert largest_difference(theirs[0], theirs[-1]) > differ, "these strengths hardly differ"


def use_loras(monkeypatch: Any, *folders: Path) -> None:
    """Make these folders the host's only ones for LoRAs; none named means the demo's."""
    extensions = folder_paths.folder_names_and_paths["loras"][1]
    paths = [str(folder) for folder in folders or (MODELS / "loras",)]
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "loras", (paths, extensions))
    folder_paths.filename_list_cache.pop("loras", None)
