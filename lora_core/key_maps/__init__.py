"""What a layer name of a LoRA means in a model, from the model's own keys and shapes.

`families` tells which architecture the keys are of, `names` and `text_encoders` list every spelling of every
layer, `tables`, `diffusers` and `unet` give them diffusers' names, `checkpoints` finds the weights in a file.
"""

from .checkpoints import Checkpoint, StoredAt, read_layout
from .families import Family, describe, find_family, unet_version
from .file_family import FileFamily, family_named, family_of_file, input_widths
from .guess import canonical, guess_family, is_text_encoder
from .key_map import KeyMap, Target
from .names import model_names
from .reverse import likely_key
from .text_encoders import text_encoder_names

__all__ = [
    "Checkpoint",
    "Family",
    "FileFamily",
    "KeyMap",
    "StoredAt",
    "Target",
    "canonical",
    "describe",
    "family_named",
    "family_of_file",
    "find_family",
    "guess_family",
    "input_widths",
    "is_text_encoder",
    "likely_key",
    "model_names",
    "read_layout",
    "text_encoder_names",
    "unet_version",
]
