"""ComfyUI-LoRA-Rack: the door the host comes in by."""

import logging

from .lora_core.version import VERSION as __version__
from .nodes.blocks import LoraRackBlocks
from .nodes.encode import LoraRackEncode
from .nodes.inspect import LoraRackInspect
from .nodes.load import LoraRackLoad
from .nodes.overlap import LoraRackOverlap
from .nodes.page import routes
from .nodes.prompt import LoraRackPrompt
from .nodes.save import LoraRackSave
from .nodes.slider_preview import LoraRackSliderPreview
from .nodes.sliders import LoraRackSliders
from .nodes.stack import LoraRackAdd, LoraRackApply, LoraRackStack
from .nodes.sweep import LoraRackSweep, LoraRackSweepEncode, LoraRackSweepSheet

NODE_CLASS_MAPPINGS = {
    "LoraRackLoad": LoraRackLoad,
    "LoraRackAdd": LoraRackAdd,
    "LoraRackStack": LoraRackStack,
    "LoraRackPrompt": LoraRackPrompt,
    "LoraRackEncode": LoraRackEncode,
    "LoraRackApply": LoraRackApply,
    "LoraRackSliders": LoraRackSliders,
    "LoraRackSliderPreview": LoraRackSliderPreview,
    "LoraRackSweep": LoraRackSweep,
    "LoraRackSweepEncode": LoraRackSweepEncode,
    "LoraRackSweepSheet": LoraRackSweepSheet,
    "LoraRackInspect": LoraRackInspect,
    "LoraRackSave": LoraRackSave,
    "LoraRackOverlap": LoraRackOverlap,
    "LoraRackBlocks": LoraRackBlocks,
}

NODE_DISPLAY_NAME_MAPPINGS = {
    "LoraRackLoad": "Load LoRA",
    "LoraRackAdd": "Add LoRA to Stack",
    "LoraRackStack": "LoRA Rack",
    "LoraRackPrompt": "Prompt with LoRA Tags",
    "LoraRackEncode": "Encode Prompt with LoRA Tags",
    "LoraRackApply": "Apply LoRA Stack",
    "LoraRackSliders": "LoRA Sliders",
    "LoraRackSliderPreview": "Preview LoRA Slider",
    "LoraRackSweep": "LoRA Strength Sweep",
    "LoraRackSweepEncode": "Encode Prompt for Sweep",
    "LoraRackSweepSheet": "Sweep Contact Sheet",
    "LoraRackInspect": "Inspect LoRA",
    "LoraRackSave": "Save LoRA Stack",
    "LoraRackOverlap": "LoRA Overlap",
    "LoraRackBlocks": "LoRA Block Weights",
}

WEB_DIRECTORY = "./web"

routes.register()
logging.getLogger(__name__).info("LoRA Rack %s", __version__)

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS", "WEB_DIRECTORY", "__version__"]
