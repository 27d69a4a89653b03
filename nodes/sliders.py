"""LoRA Sliders: detail, saturation and brightness as three numbers."""

from __future__ import annotations

from typing import Any

from ..lora_core.library import SLIDERS
from ..lora_core.stack import Entry
from . import host, inputs
from .stack_type import to_wire

AUTO = "auto"


def slider_lora(what: str) -> tuple[list[str], dict[str, Any]]:
    """The combo that names a slider's file, or leaves it to be found."""
    tooltip = f"The LoRA behind {what}: auto finds the known slider files by name, hash and metadata."
    return [AUTO, *host.lora_names()], {"default": AUTO, "tooltip": tooltip}


def slider_name(slider: str, lora_name: str, model: host.Patcher | None = None) -> str:
    """The file of a slider, as the host spells it. Raises UnresolvedLora."""
    if lora_name == AUTO:
        return host.find_slider(slider, model)
    return host.resolve_name(inputs.name_of(lora_name))


def slider_files(slider: str, lora_name: str | None) -> list[str]:
    """The files a slider may be, for IS_CHANGED, where no model chooses; none for a name over a wire."""
    if lora_name == AUTO:
        return host.slider_candidates(slider)
    return [lora_name] if lora_name else []


class LoraRackSliders:
    """Three sliders as entries of a stack."""

    CATEGORY = inputs.CATEGORY
    DESCRIPTION = (
        "Detail, saturation and brightness as three sliders. 0 leaves a slider out. "
        "You can choose another LoRA for each slider."
    )
    RETURN_TYPES = ("LORA_STACK",)
    RETURN_NAMES = ("stack",)
    OUTPUT_TOOLTIPS = ("The incoming stack followed by the sliders that are not 0.",)
    FUNCTION = "build"
    SEARCH_ALIASES = ("add detail", "detail tweaker", "slider lora")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        number = {"default": 0.0, "min": -10.0, "max": 10.0, "step": 0.05, "display": "slider"}
        tooltips = {
            "detail": "More fine detail above 0, less below.",
            "saturation": "More colourful above 0, greyer below.",
            "brightness": "Lighter above 0, darker below.",
        }
        strengths = {slider: ("FLOAT", {**number, "tooltip": tooltips[slider]}) for slider in SLIDERS}
        model = "If auto finds several slider files, it takes the one for this model's family."
        return {
            "required": strengths | {f"{slider}_lora": slider_lora(slider) for slider in SLIDERS},
            "optional": {"stack": inputs.stack(), "model": ("MODEL", {"tooltip": model})},
        }

    @classmethod
    def IS_CHANGED(cls, **values: Any) -> str:
        """Changes with the files that may be meant: one found by auto may come and go."""
        on = [slider for slider in SLIDERS if values[slider] != 0]  # None over a wire
        return host.fingerprint(
            [file for slider in on for file in slider_files(slider, values[f"{slider}_lora"])]
        )

    def build(
        self, stack: list[Any] | None = None, model: host.Patcher | None = None, **values: Any
    ) -> tuple[list[Any]]:
        entries = [Entry(name, strength, strength) for name, strength in self._on(values, model)]
        return (to_wire(entries, stack),)

    @staticmethod
    def _on(values: dict[str, Any], model: host.Patcher | None) -> list[tuple[str, float]]:
        """File and strength of every slider that is not 0."""
        return [
            (slider_name(slider, values[f"{slider}_lora"], model), values[slider])
            for slider in SLIDERS
            if values[slider]
        ]
