"""A sweep for the user's own sampler nodes: prepare it, encode its prompt, draw its sheet."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import torch

from ..lora_core.axes import Sweep, read_axes
from ..lora_core.errors import RackError
from ..lora_core.measures import as_json, measure_sweep
from . import host, inputs
from .drawing.sweep_sheet import draw_sweep
from .page.frames import frames_for_page
from .rows import located
from .stack_type import rows_on_wire

_AXES = "<lora:add_detail> -2:2:5"


def lora_sweep() -> tuple[str, dict[str, Any]]:
    """The wire from a sweep to its parts."""
    return "LORA_SWEEP", {
        "tooltip": "The sweep from LoRA Strength Sweep. It gives each row of the batch its strength."
    }


class LoraRackSweep:
    """One or two LoRAs at many strengths in one batch."""

    CATEGORY = inputs.CATEGORY
    DESCRIPTION = (
        "Renders one or two LoRAs at many strengths in one pass of your own sampler, from the same noise. "
        "Sample the MODEL and the LATENT, with prompts from Encode Prompt for Sweep."
    )
    RETURN_TYPES = ("MODEL", "CLIP", "LATENT", "LORA_SWEEP")
    RETURN_NAMES = ("MODEL", "CLIP", "LATENT", "sweep")
    OUTPUT_TOOLTIPS = (
        "The model with the stack applied, which gives each row of the batch its own strength.",
        "The text encoder with the stack applied, for Encode Prompt for Sweep.",
        "The latent once per strength.",
        "The sweep, for Encode Prompt for Sweep and for Sweep Contact Sheet.",
    )
    FUNCTION = "prepare"
    SEARCH_ALIASES = ("xy plot", "lora strength", "slider", "grid")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        axes = (
            "One LoRA and its strengths a line, two lines for a grid. -2:2:5 is five strengths from -2 to 2; "
            "or a list: -1, 0, 1. Strengths in the tag scale them: unet=1:te=0 sweeps the model alone."
        )
        return {
            "required": {
                "model": ("MODEL", {"tooltip": "The diffusion model, with its patches."}),
                "latent": ("LATENT", {"tooltip": "The latent from which every strength starts."}),
                "axes": ("STRING", {"multiline": True, "default": _AXES, "tooltip": axes}),
            },
            "optional": {
                "clip": (
                    "CLIP",
                    {"tooltip": "The text encoder, for LoRAs that change the text encoder too."},
                ),
                "stack": inputs.stack(),
            },
            "hidden": inputs.pnginfo(),
        }

    @classmethod
    def VALIDATE_INPUTS(cls, axes: str | None = None) -> Any:
        """True, or what is wrong with the axes, the names included."""
        if not isinstance(axes, str):  # comes over a wire, or the host refuses it
            return True

        def check() -> bool | str:
            try:
                for axis in read_axes(axes):
                    host.check(axis.entry)
            except RackError as error:
                return str(error)
            return True

        return inputs.off_the_loop(check)

    @classmethod
    def IS_CHANGED(cls, axes: str | None = None, **_: Any) -> str:
        """Changes with the files."""
        return host.fingerprint([axis.entry for axis in read_axes(axes)] if axes else [])

    def prepare(
        self,
        model: host.Patcher,
        latent: dict[str, Any],
        axes: str,
        clip: host.Clip | None = None,
        stack: list[Any] | None = None,
        extra_pnginfo: Any = None,
    ) -> tuple[Any, Any, dict[str, Any], Any]:
        found = tuple(replace(axis, entry=host.locate(axis.entry)) for axis in read_axes(axes))
        rows = located(rows_on_wire(stack or ()))
        sweep = Sweep(found, tuple(row for row in rows if row.is_active))
        prepared = host.prepare_sweep(model, clip, latent, sweep)
        host.note_applied(type(self).__name__, rows, extra_pnginfo, found)
        return prepared.model, prepared.clip, prepared.latent, prepared.sweep


class LoraRackSweepEncode:
    """A prompt for a sweep."""

    CATEGORY = inputs.CATEGORY
    DESCRIPTION = (
        "Encodes a prompt for every strength of a sweep. A LoRA that leaves the text encoder alone needs "
        "one encoding. Any other LoRA needs one encoding per strength."
    )
    RETURN_TYPES = ("CONDITIONING",)
    OUTPUT_TOOLTIPS = ("A row per strength, for the sampler of the sweep.",)
    FUNCTION = "encode"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        text = {"multiline": True, "dynamicPrompts": True, "tooltip": "The prompt."}
        return {
            "required": {
                "clip": ("CLIP", {"tooltip": "The CLIP output of the sweep."}),
                "sweep": lora_sweep(),
                "text": ("STRING", text),
            }
        }

    def encode(self, clip: host.Clip, sweep: Any, text: str) -> tuple[list[Any]]:
        return (host.encode_sweep(clip, sweep, text),)


class LoraRackSweepSheet:
    """The pictures of a sweep on one sheet, measured."""

    CATEGORY = inputs.CATEGORY
    DESCRIPTION = "Puts the pictures of a sweep on a contact sheet under their strengths, and measures each."
    RETURN_TYPES = ("IMAGE", "STRING")
    RETURN_NAMES = ("sheet", "measurements")
    OUTPUT_TOOLTIPS = (
        "The pictures under their strengths, and each measure as a chart.",
        "Luma, saturation and detail of every picture as JSON.",
    )
    FUNCTION = "draw"
    OUTPUT_NODE = True
    SEARCH_ALIASES = ("contact sheet", "xy plot", "grid")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        images = "All pictures of the sweep, decoded, in their order."
        return {"required": {"images": ("IMAGE", {"tooltip": images}), "sweep": lora_sweep()}}

    def draw(self, images: Any, sweep: Any) -> dict[str, Any]:
        pictures = images.cpu().numpy()
        passes = sweep.passes.describe()
        measured = measure_sweep(sweep.sweep, pictures, sweep.latents)
        sheet = torch.from_numpy(draw_sweep(sweep.sweep, measured, pictures, passes))
        numbers = as_json(sweep.sweep, measured, passes)
        ui = frames_for_page(self, sweep.sweep, measured, images, sheet)
        return {"ui": ui, "result": (sheet[None], json.dumps(numbers, indent=1))}
