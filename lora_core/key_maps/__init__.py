"""What a layer name of a LoRA means in a model, from the model's own keys and shapes.

`families` tells which architecture the keys are of, `names` and `text_encoders` list every spelling of every
layer, `tables`, `diffusers` and `unet` give them diffusers' names, `checkpoints` finds the weights in a file.
"""

from .checkpoints import Checkpoint, Place, read_layout
from .families import Family, describe, find_family

__all__ = ["Checkpoint", "Family", "Place", "describe", "find_family", "read_layout"]
