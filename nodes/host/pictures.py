"""Pictures by the host's own nodes: sampled, decoded, and shown from its temp folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
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
    for picture, record in zip(pictures, records, strict=True):
        pixels = (picture.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
        said = PngInfo()
        said.add_text(RECORD, json.dumps(record))
        file, counter = _new_file(Path(folder), name, counter)
        with file.open("wb") as out:
            Image.fromarray(np.ascontiguousarray(pixels)).save(out, "PNG", pnginfo=said, compress_level=1)
        shown.append({"filename": file.name, "subfolder": subfolder, "type": "temp"})
    return shown


def shown_path(file: Mapping[str, str]) -> Path:
    """Where a picture that `show` wrote lies."""
    return Path(folder_paths.get_temp_directory(), file["subfolder"], file["filename"])


def _new_file(folder: Path, name: str, counter: int) -> tuple[Path, int]:
    """An empty file of the next free number, and the number after it: another process may write there too."""
    while True:
        path = folder / f"{name}_{counter:05}_.png"
        counter += 1
        with suppress(FileExistsError):
            path.touch(exist_ok=False)
            return path, counter
