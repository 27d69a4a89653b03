"""The host's own model of every family it has a key map for, on the meta device.

The networks are the host's, built from a configuration its detection gives (comfy/model_detection.py),
kept in model_configs.json, shallower where nothing but the depth changes. Nothing is computed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import comfy.model_detection
import comfy.sd1_clip
import comfy.sdxl_clip
import comfy.supported_models
import comfy.text_encoders.ace
import comfy.text_encoders.aura_t5
import comfy.text_encoders.cosmos
import comfy.text_encoders.flux
import comfy.text_encoders.genmo
import comfy.text_encoders.hidream
import comfy.text_encoders.hunyuan_image
import comfy.text_encoders.hunyuan_video
import comfy.text_encoders.hydit
import comfy.text_encoders.lumina2
import comfy.text_encoders.omnigen2
import comfy.text_encoders.pixart_t5
import comfy.text_encoders.qwen_image
import comfy.text_encoders.sa_t5
import comfy.text_encoders.sd2_clip
import comfy.text_encoders.sd3_clip
import comfy.text_encoders.wan
import comfy.text_encoders.z_image
import torch
from host_record.models import built_by


def _configs() -> dict[str, dict[str, Any]]:
    """Name → configuration; an entry with "like" holds only what differs from the one it names."""
    configs: dict[str, dict[str, Any]] = {}
    for name, entry in json.loads(Path(__file__).with_name("model_configs.json").read_text()).items():
        configs[name] = {**configs.get(entry.pop("like", ""), {}), **entry}
    return configs


MODELS: Mapping[str, dict[str, Any]] = _configs()

_T5 = {"dtype_t5": torch.float32}
_LLM = {"dtype_llama": torch.float32}

TEXT_ENCODERS: Mapping[str, Callable[..., type[torch.nn.Module]]] = {
    "SD1": lambda: comfy.sd1_clip.SD1ClipModel,
    "SD2": lambda: comfy.text_encoders.sd2_clip.SD2ClipModel,
    "SDXL": lambda: comfy.sdxl_clip.SDXLClipModel,
    "SDXL refiner": lambda: comfy.sdxl_clip.SDXLRefinerClipModel,
    "Stable Cascade": lambda: comfy.sdxl_clip.StableCascadeClipModel,
    "SD3": lambda: comfy.text_encoders.sd3_clip.sd3_clip(**_T5),
    "SD3 without T5": lambda: comfy.text_encoders.sd3_clip.sd3_clip(t5=False),
    "SD3 G and T5": lambda: comfy.text_encoders.sd3_clip.sd3_clip(clip_l=False, **_T5),
    "Flux.1": lambda: comfy.text_encoders.flux.flux_clip(**_T5),
    "Flux.2": lambda: comfy.text_encoders.flux.flux2_te(),
    "AuraFlow": lambda: comfy.text_encoders.aura_t5.AuraT5Model,
    "PixArt": lambda: comfy.text_encoders.pixart_t5.pixart_te(**_T5),
    "Mochi": lambda: comfy.text_encoders.genmo.mochi_te(**_T5),
    "Cosmos": lambda: comfy.text_encoders.cosmos.te(**_T5),
    "Stable Audio": lambda: comfy.text_encoders.sa_t5.SAT5Model,
    "ACE-Step": lambda: comfy.text_encoders.ace.AceT5Model,
    "Hunyuan-DiT": lambda: comfy.text_encoders.hydit.HyditModel,
    "HunyuanVideo": lambda: comfy.text_encoders.hunyuan_video.hunyuan_video_clip(**_LLM),
    "HunyuanImage": lambda: comfy.text_encoders.hunyuan_image.te(**_LLM),
    "HiDream": lambda: comfy.text_encoders.hidream.hidream_clip(**_T5, **_LLM),
    "Wan": lambda: comfy.text_encoders.wan.te(**_T5),
    "Lumina 2": lambda: comfy.text_encoders.lumina2.te(**_LLM),
    "Z-Image": lambda: comfy.text_encoders.z_image.te(**_LLM),
    "OmniGen2": lambda: comfy.text_encoders.omnigen2.te(**_LLM),
    "Qwen-Image": lambda: comfy.text_encoders.qwen_image.te(**_LLM),
}


def model(name: str, **changes: Any) -> torch.nn.Module:
    """The host's model of a family, as its loader builds it."""
    built, _ = built_by(comfy.model_detection.model_config_from_unet_config, MODELS[name] | changes)
    return built


def text_encoder(name: str) -> torch.nn.Module:
    """The host's text encoders of a family."""
    with torch.device("meta"):
        return TEXT_ENCODERS[name]()(device="meta", dtype=torch.float32, model_options={})
