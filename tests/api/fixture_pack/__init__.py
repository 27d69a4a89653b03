"""A custom node pack for the api ring: another pack's LoRA stacker, and nodes a test needs in a real graph.

The stack nodes do what the ecosystem's stackers do: make and read a list of (lora_name, strength_model,
strength_clip), applying it with the host's own LoraLoader. The other two stand where a large text encoder and
a VAE would, so that models of every layout can be sampled on two cores.
"""

from pathlib import Path

import folder_paths
import nodes
import torch
from aiohttp import web
from server import PromptServer

from .watch import begin


class FixtureStack:
    """Another pack's stacker: plain tuples, with the empty slots such packs send."""

    CATEGORY = "fixture"
    RETURN_TYPES = ("LORA_STACK",)
    FUNCTION = "build"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {"lora_name": ("STRING", {}), "strength": ("FLOAT", {"min": -100.0, "max": 100.0})},
            "optional": {"stack": ("LORA_STACK",)},
        }

    def build(self, lora_name, strength, stack=None):
        return ([*(stack or []), ("None", 1.0, 1.0), (lora_name, strength, strength)],)


class FixtureApply:
    """Another pack's apply node: unpacks each item into three and calls the host's loader."""

    CATEGORY = "fixture"
    RETURN_TYPES = ("MODEL",)
    FUNCTION = "apply"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "stack": ("LORA_STACK",)}}

    def apply(self, model, stack):
        for lora_name, strength_model, _strength_clip in stack:
            if lora_name != "None":
                (model,) = nodes.LoraLoaderModelOnly().load_lora_model_only(model, lora_name, strength_model)
        return (model,)


class FixtureConditioning:
    """Random conditioning of a given width."""

    CATEGORY = "fixture"
    RETURN_TYPES = ("CONDITIONING",)
    FUNCTION = "build"

    @classmethod
    def INPUT_TYPES(cls):
        sizes = {"default": 768, "min": 0, "max": 8192}
        return {
            "required": {"width": ("INT", sizes), "pooled": ("INT", sizes), "seed": ("INT", {"default": 0})}
        }

    def build(self, width, pooled, seed):
        generator = torch.Generator().manual_seed(seed)
        context = torch.randn(1, 8, width, generator=generator)
        extra = {"pooled_output": torch.randn(1, pooled, generator=generator)} if pooled else {}
        return ([[context, extra]],)


class FixtureLatentPicture:
    """A latent's first three channels as a picture."""

    CATEGORY = "fixture"
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "show"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"samples": ("LATENT",)}}

    def show(self, samples):
        return (samples["samples"][:, :3].movedim(1, -1).sigmoid(),)


class FixtureFloats:
    """A list of numbers, for which the host runs what follows once each."""

    CATEGORY = "fixture"
    RETURN_TYPES = ("FLOAT",)
    OUTPUT_IS_LIST = (True,)
    FUNCTION = "build"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"values": ("STRING", {})}}

    def build(self, values):
        return ([float(value) for value in values.split(",")],)


ENDS = []


@PromptServer.instance.routes.post("/fixture/watch")
async def watch_begins(request):
    """From now on the audit hook notes what this process does outside its folder."""
    ENDS.append(begin(Path(folder_paths.base_path)))
    return web.json_response([])


@PromptServer.instance.routes.delete("/fixture/watch")
async def watch_ends(request):
    """What it has noted."""
    return web.json_response(ENDS.pop()())


NODE_CLASS_MAPPINGS = {
    cls.__name__: cls
    for cls in (FixtureStack, FixtureApply, FixtureConditioning, FixtureLatentPicture, FixtureFloats)
}
