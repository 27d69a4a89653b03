"""A host for the benchmarks that ask over HTTP: the demo models, many LoRAs, and the demo's picture."""

from __future__ import annotations

import copy
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# At the end: the root's folder `nodes` must not stand before the host's nodes.py.
sys.path += [str(ROOT), str(ROOT / "tests" / "browser")]

from lora_folder import write_lora, write_many, write_preview  # noqa: E402

from tools.dev.base_folder import TEXT_ENCODER, prepare_base  # noqa: E402
from tools.dev.host_client import HostClient  # noqa: E402
from tools.dev.host_server import HostServer  # noqa: E402
from tools.dev.layout import this_checkout  # noqa: E402

__all__ = ["STACKS", "Served", "picture", "preview", "served", "write_lora", "write_preview"]

STACKS = (
    "<lora:add_detail:1>",
    "<lora:add_detail:0.5>\n<lora:add_saturation:-1>",
    "<lora:add_brightness:1:stop=0.5>",
    "<lora:add_detail:-1>\n<lora:add_saturation:0.7>\n<lora:add_brightness:-0.5>",
)


@dataclass(frozen=True)
class Served:
    """A running host, a client of it, and its folder."""

    server: HostServer
    client: HostClient
    base: Path

    @property
    def loras(self) -> Path:
        return self.base / "models" / "loras"

    def processor_s(self) -> float:
        """What the host's process has used of the processor so far (Linux)."""
        fields = Path(f"/proc/{self.server.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def index(self) -> Path:
        return self.base / "user" / "lora_rack" / "index.sqlite3"


@contextmanager
def served(files: int) -> Iterator[Served]:
    """A host with so many small LoRAs beside the demo's, and previews beside some; gone afterwards."""
    base = Path(tempfile.mkdtemp(prefix="lora-rack-bench-"))
    try:
        prepare_base(base, this_checkout())
        encoder = Path(os.environ["RACK_BASE_DIR"]) / "models" / "text_encoders" / TEXT_ENCODER
        (base / "models" / "text_encoders" / TEXT_ENCODER).symlink_to(encoder)
        write_many(base / "models" / "loras", files)
        for number, lora in enumerate(
            sorted((base / "models" / "loras" / "library").rglob("*1.safetensors"))
        ):
            if number < 50:
                write_preview(lora, number)
        log = base / "host.log"
        with HostServer.from_environment(log, base=base) as server:
            yield Served(server, HostClient(server.address), base)
    finally:
        shutil.rmtree(base, ignore_errors=True)


def picture(text: str, seed: int, steps: int = 4, size: int = 64) -> dict[str, Any]:
    """The demo's picture with a stack; its prompt is encoded once, by the text encoder without LoRAs."""
    graph: dict[str, Any] = copy.deepcopy(_template())
    graph["rack"]["inputs"]["text"] = text
    graph["latent"]["inputs"] |= {"width": size, "height": size}
    graph["sample"]["inputs"] |= {"seed": seed, "steps": steps, "cfg": 1.0}
    for name in ("positive", "negative"):
        graph[name]["inputs"]["clip"] = ["text_encoder", 0]
    return graph


def preview(seed: int) -> dict[str, Any]:
    """A slider preview of three strengths."""
    graph = {
        name: node for name, node in _template().items() if name in ("checkpoint", "text_encoder", "latent")
    }
    graph["latent"]["inputs"] |= {"width": 64, "height": 64}
    links = {"model": ["checkpoint", 0], "clip": ["text_encoder", 0], "vae": ["checkpoint", 2]}
    settings = {"steps": 2, "cfg": 1.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0}
    inputs = {
        **links,
        **settings,
        "latent_image": ["latent", 0],
        "positive": "day lake",
        "negative": "",
        "seed": seed,
        "slider": "detail",
        "lora_name": "auto",
        "values": "-1:1:3",
        "pick": 0.0,
    }
    return {**graph, "preview": {"class_type": "LoraRackSliderPreview", "inputs": inputs}}


def _template() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "demo" / "picture.json").read_text(encoding="utf-8"))
    return found
