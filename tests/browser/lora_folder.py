"""A folder of LoRAs as people have them: trained ones, previews, trigger words, hostile names, very many."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from PIL import Image

HOSTILE = "<img src=x onerror=window.hacked=1>"
# Names on disk may hold no '<' on Windows, and no tag can hold one: markup stands in what is written beside.
AMPERSAND = "styles/ink & wash 'n' \"more\""
FAMILIES = ("stable-diffusion-v1", "stable-diffusion-xl-v1-base", "flux-1-dev", "stable-diffusion-3-medium")
_COLOURS = ((196, 120, 90), (90, 130, 180), (120, 150, 90), (150, 110, 160), (200, 170, 90))


def write_lora(path: Path, **metadata: str) -> Path:
    """The smallest file that is a LoRA of one layer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    key = "lora_unet_input_blocks_1_1_proj_in"
    header: dict[str, object] = {"__metadata__": metadata} if metadata else {}
    header |= {
        f"{key}.lora_down.weight": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]},
        f"{key}.lora_up.weight": {"dtype": "F32", "shape": [2, 1], "data_offsets": [8, 16]},
    }
    raw = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + struct.pack("<4f", 1, 0, 0, 1))
    return path


def write_preview(lora: Path, number: int) -> None:
    """A picture beside a LoRA: two colours, so that one can tell them apart."""
    picture = Image.new("RGB", (320, 400), _COLOURS[number % len(_COLOURS)])
    picture.paste(_COLOURS[(number // 5 + 2) % len(_COLOURS)], (40 + number % 7 * 20, 60, 260, 300))
    picture.save(lora.with_suffix(".preview.png"))


def write_styles(loras: Path) -> None:
    """A few files with everything the page shows, some of it hostile."""
    names = ("styles/ink_wash", "styles/oil_paint", "people/freckles", "light/golden_hour", AMPERSAND)
    for number, name in enumerate(names):
        family = FAMILIES[number % len(FAMILIES)]
        words = "ink wash, monochrome" if number == 0 else f"word{number}"
        lora = write_lora(
            loras / f"{name}.safetensors",
            **{"modelspec.architecture": f"{family}/lora", "modelspec.trigger_phrase": words},
        )
        if number != 3:
            write_preview(lora, number)
    hostile = {"modelspec.title": HOSTILE, "modelspec.trigger_phrase": HOSTILE, "notes": HOSTILE}
    write_lora(loras / "hostile.safetensors", **hostile)
    for folder in ("a", "b"):
        write_lora(loras / folder / "twice.safetensors")
    (loras / "broken.safetensors").write_bytes(b"not a header")


def write_many(loras: Path, count: int) -> None:
    """A library of `count` files in folders of a hundred."""
    for number in range(count):
        family = FAMILIES[number % len(FAMILIES)]
        write_lora(
            loras / "library" / f"shelf_{number // 100:02}" / f"style_{number:04}.safetensors",
            **{"modelspec.architecture": f"{family}/lora", "modelspec.trigger_phrase": f"word{number}"},
        )
