"""What a layer name of a LoRA means in a model, from the model's own keys and shapes.

`names` and `text_encoders` list every spelling of every layer, `diffusers` and `unet` give them diffusers'
names, `checkpoints` finds the weights in a file, `guess` and `file_family` tell the family of a LoRA.
"""

from .checkpoints import Checkpoint, StoredAt, read_layout
from .file_family import FileFamily, family_of_file, input_widths
from .key_map import KeyMap, Target
from .layer_names import canonical, encoder_number, is_text_encoder
from .names import model_names
from .reverse import likely_key
from .spoken import comfyui_names, diffusers_names, kohya_names
from .text_encoders import text_encoder_names

__all__ = [
    "Checkpoint",
    "FileFamily",
    "KeyMap",
    "StoredAt",
    "Target",
    "canonical",
    "comfyui_names",
    "diffusers_names",
    "encoder_number",
    "family_of_file",
    "input_widths",
    "is_text_encoder",
    "kohya_names",
    "likely_key",
    "model_names",
    "read_layout",
    "text_encoder_names",
]
