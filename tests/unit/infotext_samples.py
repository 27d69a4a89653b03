"""Texts that programs write about pictures, and a ComfyUI that has some of what they name."""

from __future__ import annotations

from pathlib import Path

from lora_core.infotext import Here, Shelf


def _text(name: str) -> str:
    return (Path(__file__).parent / "infotexts" / name).read_text(encoding="utf-8").removesuffix("\n")


A1111 = _text("a1111.txt")
FORGE = _text("forge.txt")
SDNEXT = _text("sdnext.txt")
CIVITAI = _text("civitai.txt")
INVOKE = _text("invokeai.json")
FOOOCUS = _text("fooocus.json")
SWARM = _text("swarmui.json")
HERE = Here(
    checkpoints=Shelf(("sd15/Lake_v2.safetensors", "other.safetensors", "rack_demo.safetensors")),
    text_encoders=Shelf(("clip_l.safetensors", "t5xxl_fp16.safetensors")),
    vaes=Shelf(("soft.safetensors", "ae.safetensors")),
    loras=Shelf(("styles/ink.safetensors",)),
    samplers=("euler", "euler_ancestral", "dpmpp_2m", "dpmpp_2m_sde", "dpmpp_2m_sde_gpu"),
    schedulers=("normal", "simple", "karras"),
)
