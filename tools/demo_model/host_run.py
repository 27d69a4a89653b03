"""Run the demo files through a ComfyUI folder's own nodes, in this process.

Import this before anything of the host. The host's folder goes first on the path, because the pack has a
`nodes` folder too.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from .paint import Array


class Host:
    """Stock nodes of one ComfyUI, with our model folders added to its own."""

    def __init__(self, host: Path, models: Path, encoder: Path | None) -> None:
        sys.path[:] = [str(host), *(entry for entry in sys.path if entry not in ("", str(Path.cwd())))]
        sys.argv = ["demo_model", "--cpu"]
        importlib.import_module("comfy.options").enable_args_parsing()
        folders = importlib.import_module("folder_paths")
        folders.add_model_folder_path("checkpoints", str(models / "checkpoints"))
        folders.add_model_folder_path("loras", str(models / "loras"))
        if encoder is not None:
            folders.add_model_folder_path("text_encoders", str(encoder.parent))
        self.nodes: ModuleType = importlib.import_module("nodes")
        self.version: str = importlib.import_module("comfyui_version").__version__
        self.model, self.clip, self.vae = self.nodes.CheckpointLoaderSimple().load_checkpoint(
            "rack_demo.safetensors"
        )
        if encoder is not None:
            self.clip = self.nodes.CLIPLoader().load_clip(encoder.name, "sd3")[0]

    @torch.inference_mode()
    def pictures(
        self,
        seed: int,
        prompt: str = "",
        cfg: float = 1.0,
        loras: tuple[tuple[str, float], ...] = (),
        count: int = 1,
        size: tuple[int, int] = (128, 128),
        steps: int = 20,
        sampler: tuple[str, str] = ("euler", "simple"),
    ) -> Array:
        """`count` pictures (count, H, W, 3) from LoraLoader, CLIPTextEncode, KSampler and VAEDecode."""
        model, clip = self.model, self.clip
        for name, strength in loras:
            loader: Any = self.nodes.LoraLoader()
            model, clip = loader.load_lora(model, clip, f"{name}.safetensors", strength, strength)
        encode = self.nodes.CLIPTextEncode().encode
        positive, negative = encode(clip, prompt)[0], encode(clip, "")[0]
        latent = self.nodes.EmptyLatentImage().generate(size[0], size[1], count)[0]
        sampled = self.nodes.KSampler().sample(
            model, seed, steps, cfg, sampler[0], sampler[1], positive, negative, latent, 1.0
        )[0]
        decoded: Array = self.nodes.VAEDecode().decode(self.vae, sampled)[0].numpy()
        return np.clip(decoded, 0, 1)
