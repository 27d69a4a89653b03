"""`sweep`: K strengths of one LoRA in one pass, against K runs of the host's loader and sampler.

The host patches its weights anew for every strength, as it does when a user renders a slider by hand; its
loader keeps the file in memory, as in a graph that stays open. Loads and weights written are counted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import comfy.sd
import folder_paths
import in_host
import nodes
import sampling
import torch
from comfy.model_patcher import ModelPatcher
from subjects import open_subject
from timing import alternate, seconds

COUNTS = (5, 9)
CFG = 4.0

Case = tuple[str, dict[str, float]]


@dataclass(frozen=True)
class Scene:
    """A model, its text encoder if it has one here, a LoRA, and what to sample."""

    name: str
    model: Any
    clip: Any
    lora: str
    latent: torch.Tensor
    prompts: tuple[Any, Any]  # texts, or conditionings where there is no text encoder
    steps: int
    pairs: int

    def sample(self, model: Any, prompts: Sequence[Any], latent: Any) -> Any:
        """The host's KSampler."""
        how = (1, self.steps, CFG, "euler", "simple")
        return nodes.KSampler().sample(model, *how, *prompts, latent, 1.0)

    @torch.inference_mode()
    def by_host(self, strengths: Sequence[float], loader: Any) -> None:
        """One run after another. A loader's text encoder is a new one, so the host encodes anew as well."""
        for strength in strengths:
            prompts = self.prompts
            model, clip = loader.load_lora(self.model, self.clip, self.lora, strength, strength)
            if clip is not None:
                prompts = [nodes.CLIPTextEncode().encode(clip, text)[0] for text in self.prompts]
            self.sample(model, prompts, {"samples": self.latent})

    @torch.inference_mode()
    def by_sweep(self, strengths: Sequence[float]) -> None:
        """All at once."""
        ours = in_host.load_pack().NODE_CLASS_MAPPINGS
        axes = f"<lora:{self.lora}> {', '.join(map(str, strengths))}"
        node = ours["LoraRackSweep"]()
        model, clip, latent, sweep = node.prepare(self.model, {"samples": self.latent}, axes, self.clip)
        prompts = self.prompts
        if clip is not None:
            prompts = [ours["LoraRackSweepEncode"]().encode(clip, sweep, text)[0] for text in self.prompts]
        self.sample(model, prompts, latent)


def run() -> Iterator[Case]:
    """The demo model at its own 128 px, and an SD1.5-size model of random weights at 192 px."""
    with _demo() as scene:
        yield from _cases(scene)
    with open_subject("sd15", torch.float32) as subject:
        prompts = (sampling.conditioning("sd15", 1, tokens=77), sampling.conditioning("sd15", 2, tokens=77))
        latent = torch.zeros(1, 4, 24, 24)
        yield from _cases(Scene("sd15", subject.model, None, subject.loras[0], latent, prompts, 4, pairs=2))


@contextmanager
def _demo() -> Iterator[Scene]:
    models = Path(os.environ["RACK_ROOT"]) / "demo" / "models"
    checkpoint = str(models / "checkpoints" / "rack_demo.safetensors")
    model, _, _, _ = comfy.sd.load_checkpoint_guess_config(checkpoint, output_vae=False)
    with tempfile.TemporaryDirectory() as folder:
        encoder = Path(folder) / "encoder.safetensors"
        command = [sys.executable, "-m", "tools.demo_model.text_encoder", encoder]
        subprocess.run(command, cwd=os.environ["RACK_ROOT"], check=True, stdout=subprocess.DEVNULL)
        clip = comfy.sd.load_clip([str(encoder)], clip_type=comfy.sd.CLIPType.SD3)
        extensions = folder_paths.folder_names_and_paths["loras"][1]
        folder_paths.folder_names_and_paths["loras"] = ([str(models / "loras")], extensions)
        folder_paths.filename_list_cache.pop("loras", None)
        texts = ("day lake autumn boat", "")
        latent = torch.zeros(1, 16, 16, 16)
        yield Scene("demo", model, clip, "add_detail.safetensors", latent, texts, 20, pairs=3)


def _cases(scene: Scene) -> Iterator[Case]:
    for count in COUNTS:
        strengths = [-2 + 4 * i / (count - 1) for i in range(count)]
        loader = nodes.LoraLoader()
        scene.by_host(strengths[:1], loader)
        counted = _counted(lambda: scene.by_sweep(strengths))  # noqa: B023
        pair = alternate(
            lambda: seconds(lambda: scene.by_host(strengths, loader)),  # noqa: B023
            lambda: seconds(lambda: scene.by_sweep(strengths)),  # noqa: B023
            f"sweep {scene.name}/{count}",
            scene.pairs,
        )
        figures = {"host_s": pair.host_s, "ours_s": pair.ours_s, "ratio": pair.ratio}
        yield f"{scene.name}/{count}", figures | counted


def _counted(work: Callable[[], None]) -> dict[str, float]:
    """How often a model is loaded and a weight written during a sweep, once its own weights are back."""
    counts = {"weights_written": 0, "weights_restored": 0}
    write, restore = ModelPatcher.patch_weight_to_device, ModelPatcher.unpatch_model

    def count_write(self: Any, *args: Any, **kwargs: Any) -> Any:
        counts["weights_written"] += 1
        return write(self, *args, **kwargs)

    def count_restore(self: Any, *args: Any, **kwargs: Any) -> Any:
        counts["weights_restored"] += bool(self.backup)
        return restore(self, *args, **kwargs)

    work()  # gives back what the host's last run has patched
    ModelPatcher.patch_weight_to_device, ModelPatcher.unpatch_model = count_write, count_restore
    try:
        work()
    finally:
        ModelPatcher.patch_weight_to_device, ModelPatcher.unpatch_model = write, restore
    return {name: float(count) for name, count in counts.items()}
