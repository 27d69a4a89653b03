"""Graphs in the API format, built from small parts, and the pictures they make."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from tools.dev.host_client import HostClient, Json

Link = list[Any]


@dataclass
class Graph:
    """An API prompt under construction; `add` returns the new node's id."""

    nodes: Json = field(default_factory=dict)

    def add(self, class_type: str, **inputs: Any) -> str:
        node = str(len(self.nodes) + 1)
        self.nodes[node] = {"class_type": class_type, "inputs": inputs}
        return node

    def show(self, source: Link) -> str:
        """Make a text output visible in the history."""
        return self.add("PreviewAny", source=source)


@dataclass(frozen=True)
class Family:
    """How to load and condition the model of one layout."""

    name: str
    width: int
    pooled: int = 0
    is_checkpoint: bool = False
    channels_latent: str = "EmptySD3LatentImage"

    def load(self, graph: Graph) -> tuple[Link, Link | None]:
        """Model and, if there is one, text encoder."""
        if self.is_checkpoint:
            node = graph.add("CheckpointLoaderSimple", ckpt_name=f"{self.name}.safetensors")
            return [node, 0], [node, 1]
        file = f"{self.name}.safetensors"
        return [graph.add("UNETLoader", unet_name=file, weight_dtype="default"), 0], None

    def picture(self, graph: Graph, model: Link, clip: Link | None, seed: int = 1) -> None:
        """Sample one step and save the latent as a picture."""
        if clip is None:
            positive = [graph.add("FixtureConditioning", width=self.width, pooled=self.pooled, seed=1), 0]
        else:
            positive = [graph.add("CLIPTextEncode", clip=clip, text="a lake"), 0]
        latent = [graph.add(self.channels_latent, width=64, height=64, batch_size=1), 0]
        samples = [sample(graph, model, positive, positive, latent, seed, steps=1, cfg=1.0), 0]
        picture = [graph.add("FixtureLatentPicture", samples=samples), 0]
        graph.add("SaveImage", images=picture, filename_prefix=self.name)


FAMILIES = (
    Family("sd15", 768, is_checkpoint=True, channels_latent="EmptyLatentImage"),
    Family("sdxl", 2048, pooled=1280, channels_latent="EmptyLatentImage"),
    Family("sd3", 4096, pooled=2048),
    Family("flux", 4096, pooled=768),
)


def sample(
    graph: Graph, model: Link, positive: Link, negative: Link, latent: Link, seed: int, steps: int, cfg: float
) -> str:
    """A KSampler with the settings these tests do not vary."""
    return graph.add(
        "KSampler",
        model=model,
        positive=positive,
        negative=negative,
        latent_image=latent,
        seed=seed,
        steps=steps,
        cfg=cfg,
        sampler_name="euler",
        scheduler="simple",
        denoise=1.0,
    )


def load_demo(graph: Graph) -> tuple[Link, Link, Link]:
    """Model, text encoder and VAE of the demo."""
    checkpoint = graph.add("CheckpointLoaderSimple", ckpt_name="rack_demo.safetensors")
    encoder = graph.add("CLIPLoader", clip_name="rack_demo_clip.safetensors", type="sd3")
    return [checkpoint, 0], [encoder, 0], [checkpoint, 2]


def demo_picture(graph: Graph, model: Link, clip: Link, vae: Link, steps: int = 6) -> None:
    """A small picture of the demo model."""
    positive = [graph.add("CLIPTextEncode", clip=clip, text="day mountains lake"), 0]
    negative = [graph.add("CLIPTextEncode", clip=clip, text=""), 0]
    latent = [graph.add("EmptySD3LatentImage", width=128, height=128, batch_size=1), 0]
    samples = [sample(graph, model, positive, negative, latent, seed=5, steps=steps, cfg=2.5), 0]
    graph.add(
        "SaveImage", images=[graph.add("VAEDecode", samples=samples, vae=vae), 0], filename_prefix="demo"
    )


def ours(
    graph: Graph, model: Link, clip: Link | None, text: str, **apply: Any
) -> tuple[Link, Link | None, Link]:
    """Our way: a rack and its apply node. Returns model, clip and the report."""
    rack = graph.add("LoraRackStack", text=text)
    optional = {} if clip is None else {"clip": clip}
    node = graph.add(
        "LoraRackApply", model=model, stack=[rack, 0], **{"mismatch": "error", **optional, **apply}
    )
    return [node, 0], None if clip is None else [node, 1], [node, 2]


def host_chain(
    graph: Graph, model: Link, clip: Link | None, loras: Sequence[tuple[str, float, float]]
) -> tuple[Link, Link | None]:
    """The host's way: a chain of its own loaders."""
    for name, strength_model, strength_clip in loras:
        if clip is None:
            node = graph.add(
                "LoraLoaderModelOnly", model=model, lora_name=name, strength_model=strength_model
            )
        else:
            strengths = {"strength_model": strength_model, "strength_clip": strength_clip}
            node = graph.add("LoraLoader", model=model, clip=clip, lora_name=name, **strengths)
            clip = [node, 1]
        model = [node, 0]
    return model, clip


def pictures(client: HostClient, graph: Graph) -> list[np.ndarray]:
    """Run a graph and read the pictures it saved, in the order of its nodes, as integers (H, W, 3)."""
    outputs = client.run(graph.nodes)["outputs"]
    images = [image for node in graph.nodes if node in outputs for image in outputs[node].get("images", [])]
    files = [client.view(image["filename"], image["subfolder"], image["type"]) for image in images]
    return [np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=np.int16) for data in files]


def texts(client: HostClient, graph: Graph) -> list[str]:
    """Run a graph and read what its PreviewAny nodes show."""
    outputs = client.run(graph.nodes)["outputs"]
    shown = [node for node, stored in graph.nodes.items() if stored["class_type"] == "PreviewAny"]
    return [text for node in shown if node in outputs for text in outputs[node].get("text", [])]
