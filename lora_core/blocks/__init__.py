"""Block weights: one number per block of a model, by the block's absolute id."""

from .apart import Apart, Slice, Weight, within
from .block_text import write_number
from .block_weights import NEUTRAL, BlockWeights, read_block_weights
from .curves import WHOLE, draw_curve, read_curve
from .families import ModelBlocks, Place, blocks_of_model, blocks_without_model
from .ids import is_of_text_encoder, read_id
from .listing import ranges
from .preset_list import fitting_presets
from .sketching import sketch
from .usual_blocks import BASE, whole_family

__all__ = [
    "BASE",
    "NEUTRAL",
    "WHOLE",
    "Apart",
    "BlockWeights",
    "ModelBlocks",
    "Place",
    "Slice",
    "Weight",
    "blocks_of_model",
    "blocks_without_model",
    "draw_curve",
    "fitting_presets",
    "is_of_text_encoder",
    "ranges",
    "read_block_weights",
    "read_curve",
    "read_id",
    "sketch",
    "whole_family",
    "within",
    "write_number",
]
