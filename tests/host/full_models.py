"""The models of families.py at the depth people load them in, and the blocks each has by its network's code.

The depths are the released models'; where a family has several sizes, one of them. What is written here is
what the block tables of the pack are checked against, so nothing of it is taken from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import families

_VACE = {"num_layers": 30, "vace_layers": 15}
DEPTHS: dict[str, dict[str, Any]] = {
    "SD3": {"depth": 24},
    "SD3.5 medium": {"depth": 24, "x_block_self_attn_layers": list(range(13))},
    "AuraFlow": {"n_double_layers": 4, "n_layers": 36},
    "PixArt alpha": {"depth": 28},
    "PixArt sigma": {"depth": 28},
    "Hunyuan-DiT": {"depth": 40},
    "Flux.1": {"depth": 19, "depth_single_blocks": 38},
    "Flux.1 schnell": {"depth": 19, "depth_single_blocks": 38},
    "Flux.2": {"depth": 8, "depth_single_blocks": 48},
    "Chroma": {"depth": 19, "depth_single_blocks": 38},
    "Chroma Radiance": {"depth": 19, "depth_single_blocks": 38},
    "Mochi": {"depth": 48},
    "LTX-Video": {"num_layers": 28},
    "HunyuanVideo": {"depth": 20, "depth_single_blocks": 40},
    "HunyuanVideo 1.5": {"depth": 54, "depth_single_blocks": 0},
    "HunyuanImage": {"depth": 20, "depth_single_blocks": 40},
    "Cosmos": {"num_blocks": 28},
    "Cosmos-Predict2": {"num_blocks": 28},
    "Lumina 2": {"n_layers": 26},
    "Z-Image": {"n_layers": 30},
    "Wan 2.1 t2v": {"num_layers": 30},
    "Wan 2.1 i2v": {"num_layers": 40},
    "Wan 2.1 VACE": _VACE,
    "Wan 2.2 5B": {"num_layers": 30},
    "Wan 2.2 camera": {"num_layers": 40},
    "Wan 2.2 S2V": {"num_layers": 40},
    "Wan 2.2 animate": {"num_layers": 40},
    "HuMo": {"num_layers": 40},
    "Hunyuan3D 2": {"depth": 16, "depth_single_blocks": 32},
    "Hunyuan3D 2.1": {"depth": 21},
    "HiDream": {"num_layers": 16, "num_single_layers": 32, "llama_layers": list(range(48))},
    "ACE-Step": {"num_layers": 24},
    "OmniGen2": {"num_layers": 32},
    "Qwen-Image": {"num_layers": 60},
}

_SD = "EMB IN00-11 M00 OUT00-11 FINAL"
_XL = "EMB IN00-08 M00 OUT00-08 FINAL"
_FLUX = "IN D00-18 S00-37 OUT"
_HUNYUAN = "IN TR00-01 D00-19 S00-39 OUT"
BLOCKS: dict[str, str] = {
    "SD1": _SD,
    "SD1 instruct": _SD,
    "SD2": _SD,
    "SDXL": _XL,
    "SSD-1B": _XL,
    "Vega": _XL,
    "KOALA-700M": "EMB IN00-05 OUT00-05 FINAL",
    "KOALA-1B": "EMB IN00-05 M00 OUT00-05 FINAL",
    "SDXL refiner": _SD,
    "Stable Video Diffusion": _SD,
    "SD x4 upscaler": _SD,
    "Stable Cascade C": "IN DS01 DN0.0-23 DN1.0-71 UP0.0-71 UP1.0-23 US00 OUT",
    "Stable Cascade B": (
        "IN DS01-03 DN0.0-3 DN1.0-7 DN2.0-41 DN3.0-11 UP0.0-11 UP1.0-41 UP2.0-7 UP3.0-3 UR00-03 US00-02 OUT"
    ),
    "SD3": "IN J00-23 OUT",
    "SD3.5 medium": "IN J00-23 OUT",
    "Stable Audio": "IN L00-23 OUT",
    "AuraFlow": "IN D00-03 S00-31 OUT",
    "PixArt alpha": "IN B00-27 OUT",
    "PixArt sigma": "IN B00-27 OUT",
    "Hunyuan-DiT": "IN B00-39 OUT",
    "Flux.1": _FLUX,
    "Flux.1 schnell": _FLUX,
    "Flux.2": "IN EMB D00-07 S00-47 OUT",
    "Chroma": "IN GUID D00-18 S00-37 OUT",
    "Chroma Radiance": "IN GUID D00-18 S00-37 N00-03 OUT",
    "Mochi": "IN B00-47 OUT",
    "LTX-Video": "IN B00-27 OUT",
    "HunyuanVideo": _HUNYUAN,
    "HunyuanVideo 1.5": "IN TR00-01 D00-53 OUT",
    "HunyuanImage": _HUNYUAN,
    "Cosmos": "IN B00-27 OUT",
    "Cosmos-Predict2": "IN B00-27 OUT",
    "Lumina 2": "IN NR00-01 CR00-01 L00-25 OUT",
    "Z-Image": "IN NR00-01 CR00-01 L00-29 OUT",
    "Wan 2.1 t2v": "IN B00-29 OUT",
    "Wan 2.1 i2v": "IN B00-39 OUT",
    "Wan 2.1 VACE": "IN B00-29 V00-14 OUT",
    "Wan 2.2 5B": "IN B00-29 OUT",
    "Wan 2.2 camera": "IN B00-39 OUT",
    "Wan 2.2 S2V": "IN B00-39 AUD OUT",
    "Wan 2.2 animate": "IN B00-39 F00-07 OUT",
    "HuMo": "IN B00-39 AUD OUT",
    "Hunyuan3D 2": "IN D00-15 S00-31 OUT",
    "Hunyuan3D 2.1": "IN B00-20 OUT",
    "HiDream": "IN D00-15 S00-31 OUT",
    "ACE-Step": "IN B00-23 OUT",
    "OmniGen2": "IN NR00-01 RR00-01 CR00-01 L00-31 OUT",
    "Qwen-Image": "IN B00-59 OUT",
}

_L, _G, _H, _T5 = "TE00-11 CLIP", "TE00-31 CLIP", "TE00-23 CLIP", "T5.0-23 T5"
TEXT_BLOCKS: dict[str, str] = {
    "SD1": _L,
    "SD2": _H,
    "SDXL": _G,
    "SDXL refiner": _G,
    "Stable Cascade": _G,
    "SD3": f"{_G} {_T5}",
    "SD3 without T5": _G,
    "SD3 G and T5": f"{_G} {_T5}",
    "Flux.1": f"{_L} {_T5}",
    "Flux.2": "LLM LLM00-39",
    "AuraFlow": _T5,
    "PixArt": _T5,
    "Mochi": _T5,
    "Cosmos": _T5,
    "Stable Audio": "T5.0-11 T5",
    "ACE-Step": "T5.0-11 T5",
    "Hunyuan-DiT": f"{_H} {_T5}",
    "HunyuanVideo": f"{_L} LLM LLM00-31",
    "HunyuanImage": "T5.0-11 T5 LLM LLM00-27",
    "HiDream": f"{_G} {_T5} LLM LLM00-31",
    "Wan": _T5,
    "Lumina 2": "LLM LLM00-25",
    "Z-Image": "LLM LLM00-35",
    "OmniGen2": "LLM LLM00-35",
    "Qwen-Image": "LLM LLM00-27",
}


@cache
def shapes_of(name: str) -> Mapping[str, tuple[int, ...]]:
    """The weights of a model at full depth, by key."""
    state = families.model(name, **DEPTHS.get(name, {})).state_dict()
    return {key: tuple(value.shape) for key, value in state.items()}


@cache
def text_shapes_of(name: str) -> Mapping[str, tuple[int, ...]]:
    """The weights of the text encoders of a family, by key."""
    state = families.text_encoder(name).state_dict()
    return {key: tuple(value.shape) for key, value in state.items()}
