"""Block weights: one number per block of a model, by the block's absolute id."""

from .apart import Apart, Slice, Weight, within
from .block_weights import NEUTRAL, BlockWeights, read_block_weights
from .families import Family, Place, family_of, family_without_model

__all__ = [
    "NEUTRAL",
    "Apart",
    "BlockWeights",
    "Family",
    "Place",
    "Slice",
    "Weight",
    "family_of",
    "family_without_model",
    "read_block_weights",
    "within",
]
