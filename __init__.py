"""ComfyUI-LoRA-Rack: the door the host comes in by."""

from .nodes import routes
from .nodes.load import LoraRackLoad
from .nodes.stack import LoraRackAdd, LoraRackApply, LoraRackStack

NODE_CLASS_MAPPINGS = {
    "LoraRackLoad": LoraRackLoad,
    "LoraRackAdd": LoraRackAdd,
    "LoraRackStack": LoraRackStack,
    "LoraRackApply": LoraRackApply,
}

NODE_DISPLAY_NAME_MAPPINGS = {
    "LoraRackLoad": "Load LoRA",
    "LoraRackAdd": "Add LoRA to Stack",
    "LoraRackStack": "LoRA Rack",
    "LoraRackApply": "Apply LoRA Stack",
}

WEB_DIRECTORY = "./web"

routes.register()

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS", "WEB_DIRECTORY"]
