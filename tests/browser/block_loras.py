"""LoRAs with something in many blocks, how much of it in each is known."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

WIDTHS = {"sdxl": 2048, "sd1": 768}
SDXL_BLOCKS = (
    *(f"input_blocks_{number}" for number in (4, 5, 7, 8)),
    "middle_block",
    *(f"output_blocks_{number}" for number in range(6)),
)
Layer = tuple[str, int, int, float]
"""Name, width of its input and output, and its size: the norm of its change."""


def write_lora(path: Path, layers: Iterator[Layer], **metadata: str) -> Path:
    """A file of rank 1 whose layers change by just their size."""
    header: dict[str, object] = {"__metadata__": metadata} if metadata else {}
    data, offset = [], 0
    for name, width, height, size in layers:
        down = np.full((1, width), 1 / math.sqrt(width), dtype=np.float32)
        up = np.full((height, 1), size / math.sqrt(height), dtype=np.float32)
        for role, values in (("lora_down", down), ("lora_up", up)):
            end = offset + values.nbytes
            shape = list(values.shape)
            header[f"{name}.{role}.weight"] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, end]}
            data.append(values.tobytes())
            offset = end
    raw = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + b"".join(data))
    return path


def sdxl_layers(with_text_encoder: bool = True) -> Iterator[Layer]:
    """Attention in the blocks an SDXL LoRA has; IN00-03 and IN06 and OUT06-08 are not in it."""
    for place, block in enumerate(SDXL_BLOCKS):
        size = 1 + 3 * math.exp(-((place - 6) ** 2) / 6)
        start = f"lora_unet_{block}_1_transformer_blocks_0"
        yield f"{start}_attn1_to_q", 640, 640, size
        yield f"{start}_attn2_to_k", WIDTHS["sdxl"], 640, size / 2
        yield f"{start}_attn2_to_v", WIDTHS["sdxl"], 640, size / 3
        yield f"{start}_ff_net_2", 2560, 640, size / 1.5
    if with_text_encoder:
        yield "lora_te1_text_model_encoder_layers_0_self_attn_q_proj", 768, 768, 1.5


def flux_layers() -> Iterator[Layer]:
    """Every double and single block of Flux."""
    for number in range(19):
        size = 1.2 + math.sin(number / 3)
        yield f"lora_unet_double_blocks_{number}_img_attn_qkv", 3072, 9216, size
        yield f"lora_unet_double_blocks_{number}_txt_attn_qkv", 3072, 9216, size / 2
        yield f"lora_unet_double_blocks_{number}_img_mlp_0", 3072, 12288, size / 1.4
    for number in range(38):
        yield f"lora_unet_single_blocks_{number}_linear1", 3072, 21504, 0.6 + 0.5 * math.cos(number / 6) ** 2
