"""What the benchmarks measure on: models of true layer sizes, random weights, and LoRAs for them on disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import comfy.sd
import folder_paths
import in_host
import kinds
import layouts
import lora_files
import nodes
import torch

RANK = 32
COUNTS = (1, 2, 4, 8)
# What trainers train, as parts of model keys. For SD1.5 these are the 214 linear-like modules of a full LoRA.
_UNET = ("attn1", "attn2", "ff.net", "proj_in", "proj_out", "emb_layers")
_TRAINED = {"sd15": _UNET, "sdxl": _UNET, "flux": ("_attn.", "_mlp.", "linear1", "linear2")}
_NETWORKS = {
    "sd15": lambda: layouts.UNetModel(**layouts.SD15_FULL, **layouts.OPERATIONS),
    # SDXL's smallest sibling at full width, and one block of each of Flux's kinds: real sizes, fewer of them.
    "sdxl": lambda: layouts.UNetModel(**layouts.SDXL_VEGA_FULL, **layouts.OPERATIONS),
    "flux": layouts.RELEASED_FLUX.network,
}


@dataclass(frozen=True)
class Subject:
    """A model, LoRA names the host lists, and the two ways to apply them."""

    name: str
    model: Any
    loras: Sequence[str]
    modules: int

    def strengths(self, count: int, first: float = 0.8) -> list[float]:
        """One per LoRA; only the first varies between calls of a benchmark."""
        return [first, *(0.1 * (i + 1) for i in range(count - 1))]

    def host_chain(self, strengths: Sequence[float], loaders: Sequence[Any]) -> Any:
        """The model after the host's own loaders; `loaders` keep their files in memory as in a graph."""
        model = self.model
        for name, strength, loader in zip(self.loras, strengths, loaders, strict=False):
            (model,) = loader.load_lora_model_only(model, name, strength)
        return model

    def ours(self, strengths: Sequence[float], mode: str = "auto") -> Any:
        """The model after our nodes."""
        classes = in_host.load_pack().NODE_CLASS_MAPPINGS
        text = "\n".join(f"<lora:{n}:{s}>" for n, s in zip(self.loras, strengths, strict=False))
        stack, _ = classes["LoraRackStack"]().build(text)
        model, *_ = classes["LoraRackApply"]().apply(self.model, stack, "error", None, mode)["result"]
        return model


def loaders(count: int) -> list[Any]:
    """As many of the host's loader nodes as a graph of `count` LoRAs has."""
    return [nodes.LoraLoaderModelOnly() for _ in range(count)]


def patch(model: Any) -> None:
    """Patch a model's weights the way the host does before sampling."""
    model.patch_model(device_to=model.load_device, force_patch_weights=True)


def unpatch(model: Any) -> None:
    """Give the model its own weights back."""
    model.unpatch_model(model.offload_device)


@contextmanager
def open_subject(
    name: str, dtype: torch.dtype, files: Sequence[kinds.Kind] = kinds.PLAIN
) -> Iterator[Subject]:
    """The model "sd15", "sdxl" or "flux", and eight rank-32 LoRAs in fp16 for it."""
    layout = layouts.Layout(name, _NETWORKS[name])
    model = comfy.sd.load_diffusion_model_state_dict(layout.state_dict(dtype), model_options={"dtype": dtype})
    prefix = "diffusion_model."
    shapes = {k.removeprefix(prefix): tuple(v.shape) for k, v in model.model.state_dict().items()}
    layers = lora_files.kohya_layers(shapes, _TRAINED[name], "lora_unet_")
    with tempfile.TemporaryDirectory() as folder:
        names = [f"bench_{i}.safetensors" for i in range(len(files))]
        for seed, (file_name, make) in enumerate(zip(names, files, strict=True)):
            lora_files.save(Path(folder) / file_name, make(layers, seed, RANK))
        extensions = folder_paths.folder_names_and_paths["loras"][1]
        folder_paths.folder_names_and_paths["loras"] = ([folder], extensions)
        folder_paths.filename_list_cache.pop("loras", None)
        yield Subject(name, model, names, len(layers))
