"""Pictures by the host's own nodes: sampled, decoded, and shown from its temp folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import comfy.samplers
import folder_paths
import nodes
import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from ...lora_core.pictures import RECORD
from .sweeping.preparing import Prepared, encode_sweep


@dataclass(frozen=True)
class SamplerSettings:
    """The inputs of the host's KSampler."""

    seed: int
    steps: int
    cfg: float
    sampler_name: str
    scheduler: str
    denoise: float


def sampler_names() -> list[str]:
    """The host's samplers."""
    return list(comfy.samplers.KSampler.SAMPLERS)


def scheduler_names() -> list[str]:
    """The host's schedulers."""
    return list(comfy.samplers.KSampler.SCHEDULERS)


def render_sweep(prepared: Prepared, vae: Any, positive: str, negative: str, how: SamplerSettings) -> Tensor:
    """The pictures of a sweep, (N, H, W, 3), by the host's KSampler and VAEDecode."""
    wire = prepared.sweep
    (samples,) = nodes.common_ksampler(  # type: ignore[attr-defined]  # to mypy, `nodes` is the folder of this pack
        prepared.model,
        how.seed,
        how.steps,
        how.cfg,
        how.sampler_name,
        how.scheduler,
        encode_sweep(prepared.clip, wire, positive),
        encode_sweep(prepared.clip, wire, negative),
        prepared.latent,
        denoise=how.denoise,
    )
    images: Tensor = nodes.VAEDecode().decode(vae, samples)[0]  # type: ignore[attr-defined]
    return images


def show(pictures: Tensor, prefix: str, records: Sequence[Any]) -> list[dict[str, str]]:
    """Write pictures and their records to the host's temp folder; by these names its page asks for them."""
    height, width = pictures.shape[1:3]
    temp = folder_paths.get_temp_directory()
    folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(prefix, temp, width, height)
    shown: list[dict[str, str]] = []
    for number, (picture, record) in enumerate(zip(pictures, records, strict=True)):
        file = f"{name}_{counter + number:05}_.png"
        pixels = (picture.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
        said = PngInfo()
        said.add_text(RECORD, json.dumps(record))
        Image.fromarray(np.ascontiguousarray(pixels)).save(f"{folder}/{file}", pnginfo=said, compress_level=1)
        shown.append({"filename": file, "subfolder": subfolder, "type": "temp"})
    return shown
