"""Preview LoRA Slider: every strength of a slider in one pass, measured, on a contact sheet."""

from __future__ import annotations

import json
import weakref
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..lora_core.axes import Axis, Sweep, read_values, strength_label
from ..lora_core.errors import BadSweepText, RackError, UnresolvedLora
from ..lora_core.library import SLIDERS
from ..lora_core.measures import Measured, as_json, measure_sweep
from ..lora_core.stack import Entry
from ..lora_core.untrusted import shown
from . import host, inputs
from .drawing.sweep_sheet import draw_sweep
from .page.frames import frames_for_page
from .rows import located
from .sliders import AUTO, slider_files, slider_lora, slider_name
from .stack_type import rows_on_wire, to_wire

OTHER = "other"


@dataclass(frozen=True, eq=False)
class _Rendered:
    """Pictures of a sweep, and what is known of them."""

    sweep: Sweep
    pictures: Tensor
    measured: list[Measured]
    passes: str


class LoraRackSliderPreview:
    """One slider at many strengths, rendered at once."""

    CATEGORY = inputs.CATEGORY
    DESCRIPTION = (
        "Renders a slider at several strengths in one pass, from the same noise, measures each picture, and "
        "returns the stack with the strength you pick."
    )
    RETURN_TYPES = ("IMAGE", "IMAGE", "LORA_STACK", "STRING")
    RETURN_NAMES = ("images", "sheet", "stack", "measurements")
    OUTPUT_TOOLTIPS = (
        "One picture per strength.",
        "The pictures under their strengths, and each measure as a chart.",
        "The incoming stack followed by the slider at the picked strength.",
        "Luma, saturation and detail of every picture as JSON.",
    )
    FUNCTION = "preview"
    OUTPUT_NODE = True
    SEARCH_ALIASES = ("slider", "detail slider", "lora strength", "xy plot")

    def __init__(self) -> None:
        self._last = _Last()

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        text = {"multiline": True, "dynamicPrompts": True}
        values = "Strengths: from:to:count such as -2:2:5, or a list such as -1, 0, 1."
        pick = "The slider's strength in the outgoing stack. A change of pick alone renders nothing again."
        seed = {"default": 0, "min": 0, "max": 0xFFFFFFFFFFFFFFFF, "control_after_generate": True}
        cfg = {"default": 8.0, "min": 0.0, "max": 100.0, "step": 0.1, "round": 0.01}
        denoise = {"default": 1.0, "min": 0.0, "max": 1.0, "step": 0.01}
        return {
            "required": {
                "model": ("MODEL", {"tooltip": "The diffusion model, with its patches."}),
                "clip": ("CLIP", {"tooltip": "The text encoder for both prompts."}),
                "vae": ("VAE", {"tooltip": "Decodes the pictures."}),
                "positive": ("STRING", {**text, "tooltip": "The prompt: what the picture shows."}),
                "negative": (
                    "STRING",
                    {**text, "tooltip": "The negative prompt: what the picture does not show."},
                ),
                "latent_image": ("LATENT", {"tooltip": "The latent from which every strength starts."}),
                "seed": (
                    "INT",
                    {**seed, "tooltip": "The seed of the noise, which is the same for every strength."},
                ),
                "steps": ("INT", {"default": 20, "min": 1, "max": 10000, "tooltip": "Sampling steps."}),
                "cfg": ("FLOAT", {**cfg, "tooltip": "How closely to follow the prompts."}),
                "sampler_name": (host.sampler_names(), {"tooltip": "As in KSampler."}),
                "scheduler": (host.scheduler_names(), {"tooltip": "As in KSampler."}),
                "denoise": (
                    "FLOAT",
                    {**denoise, "tooltip": "A value below 1 keeps a part of the latent's picture."},
                ),
                "slider": (
                    [*SLIDERS, OTHER],
                    {"tooltip": "The slider to preview. For other, choose the LoRA in lora_name."},
                ),
                "lora_name": slider_lora("the slider"),
                "values": ("STRING", {"default": "-2:2:5", "tooltip": values}),
                "pick": (
                    "FLOAT",
                    {"default": 0.0, "min": -10.0, "max": 10.0, "step": 0.05, "tooltip": pick},
                ),
            },
            "optional": {"stack": inputs.stack()},
            "hidden": inputs.pnginfo(),
        }

    @classmethod
    def VALIDATE_INPUTS(
        cls, slider: str | None = None, lora_name: str | None = None, values: str | None = None
    ) -> Any:
        """True, or what is wrong. None comes over a wire, or is left out."""

        def check() -> bool | str:
            try:
                _check_slider(slider, lora_name)
                if lora_name not in (None, AUTO):
                    host.check(inputs.name_of(lora_name))
                if isinstance(values, str):  # what else there may be, the host refuses
                    read_values(values)
            except BadSweepText as error:
                return f"values: {error}"
            except RackError as error:
                return str(error)
            return True

        return inputs.off_the_loop(check)

    @classmethod
    def IS_CHANGED(cls, slider: str | None = None, lora_name: str | None = None, **_: Any) -> str:
        """Changes with the files that may be meant."""
        sliders = SLIDERS if slider is None else [slider]  # None over a wire
        return host.fingerprint([file for one in sliders for file in slider_files(one, lora_name)])

    def preview(
        self,
        model: host.Patcher,
        clip: host.Clip,
        vae: Any,
        positive: str,
        negative: str,
        latent_image: dict[str, Any],
        slider: str,
        lora_name: str,
        values: str,
        pick: float,
        stack: list[Any] | None = None,
        extra_pnginfo: Any = None,
        **how: Any,
    ) -> dict[str, Any]:
        _check_slider(slider, lora_name)
        name = slider_name(slider, lora_name, model)
        rows = located(rows_on_wire(stack or ()))
        below = tuple(row for row in rows if row.is_active)
        sweep = Sweep((Axis(host.locate(Entry(name)), read_values(values)),), below)
        host.note_applied(type(self).__name__, [*rows, sweep.axes[0].at(pick)], extra_pnginfo, sweep.axes)
        objects = (model, clip, vae, latent_image["samples"], latent_image.get("noise_mask"))
        files = host.fingerprint([name, *below])
        numbers = tuple(latent_image.get("batch_index") or ())
        key = (sweep, files, positive, negative, numbers, tuple(sorted(how.items())))
        rendered = self._last.get(objects, key)
        if rendered is None:
            prepared = host.prepare_sweep(model, clip, latent_image, sweep, shows_all=True)
            pictures = host.render_sweep(prepared, vae, positive, negative, host.SamplerSettings(**how))
            measured = measure_sweep(sweep, pictures.cpu().numpy(), prepared.sweep.latents)
            rendered = _Rendered(sweep, pictures, measured, prepared.sweep.passes.describe())
            self._last.keep(objects, key, rendered)
        return _results(self, rendered, to_wire([Entry(name, pick, pick)], stack), pick)


def _check_slider(slider: str | None, lora_name: str | None) -> None:
    """Raise UnresolvedLora where the two name no LoRA. None comes over a wire."""
    if slider not in (None, OTHER, *SLIDERS):
        sliders = ", ".join((*SLIDERS, OTHER))
        raise UnresolvedLora(slider, SLIDERS, f"slider is {shown(slider)}; expected one of {sliders}")
    if slider == OTHER and lora_name == AUTO:
        problem = "the slider is 'other' and lora_name is 'auto': name the LoRA to preview"
        raise UnresolvedLora(slider, (), problem)


def _results(node: object, rendered: _Rendered, stack: list[Any], pick: float) -> dict[str, Any]:
    pictures, measured = rendered.pictures, rendered.measured
    note = f"pick {strength_label(pick)}  ·  {rendered.passes}"
    sheet = torch.from_numpy(draw_sweep(rendered.sweep, measured, pictures.cpu().numpy(), note, pick))
    numbers = as_json(rendered.sweep, measured, rendered.passes)
    ui = frames_for_page(node, rendered.sweep, measured, pictures, sheet)
    return {"ui": ui, "result": (pictures, sheet[None], stack, json.dumps(numbers, indent=1))}


class _Last:
    """The pictures rendered last, for as long as nothing changes but the pick.

    Models and latents are told by identity, as the host hands on the same objects while nothing upstream
    changes; they are not kept alive.
    """

    def __init__(self) -> None:
        self._objects: tuple[weakref.ref[Any] | None, ...] = ()
        self._key: Any = None
        self._rendered: _Rendered | None = None

    def get(self, objects: tuple[Any, ...], key: Any) -> _Rendered | None:
        """What was rendered from these, if that was last."""
        known = [None if held is None else held() for held in self._objects]
        is_same = len(known) == len(objects) and all(a is b for a, b in zip(known, objects, strict=True))
        return self._rendered if is_same and self._key == key else None

    def keep(self, objects: tuple[Any, ...], key: Any, rendered: _Rendered) -> None:
        """Remember, in the place of what was before."""
        self._objects = tuple(None if held is None else weakref.ref(held) for held in objects)
        self._key, self._rendered = key, rendered
