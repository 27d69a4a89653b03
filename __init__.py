"""ComfyUI-LoRA-Rack: the door the host comes in by."""

from .nodes import routes
from .nodes.blocks import LoraRackBlocks
from .nodes.inspect import LoraRackInspect
from .nodes.load import LoraRackLoad
from .nodes.prompt import LoraRackPrompt
from .nodes.stack import LoraRackAdd, LoraRackApply, LoraRackStack

NODE_CLASS_MAPPINGS = {
    "LoraRackLoad": LoraRackLoad,
    "LoraRackAdd": LoraRackAdd,
    "LoraRackStack": LoraRackStack,
    "LoraRackPrompt": LoraRackPrompt,
    "LoraRackApply": LoraRackApply,
    "LoraRackInspect": LoraRackInspect,
    "LoraRackBlocks": LoraRackBlocks,
}

NODE_DISPLAY_NAME_MAPPINGS = {
    "LoraRackLoad": "Load LoRA",
    "LoraRackAdd": "Add LoRA to Stack",
    "LoraRackStack": "LoRA Rack",
    "LoraRackPrompt": "Prompt with LoRA Tags",
    "LoraRackApply": "Apply LoRA Stack",
    "LoraRackInspect": "Inspect LoRA",
    "LoraRackBlocks": "LoRA Block Weights",
}

WEB_DIRECTORY = "./web"

routes.register()

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS", "WEB_DIRECTORY"]
