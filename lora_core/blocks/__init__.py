"""Block weights: one number per block of a model, by the block's absolute id."""

from .block_weights import NEUTRAL, BlockWeights

__all__ = ["NEUTRAL", "BlockWeights"]
