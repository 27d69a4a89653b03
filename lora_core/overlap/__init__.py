"""Where do the LoRAs of a stack get in each other's way, and what balances them?

`products` has the inner products of several changes of one weight, `measuring` sums them up by block,
`balance` writes the numbers that keep every block in bounds, and `words` says all of it to people.
"""

from .balance import balanced
from .measuring import BlockOverlap, Overlap, measure_overlap
from .words import describe_overlap, overlap_json

__all__ = ["BlockOverlap", "Overlap", "balanced", "describe_overlap", "measure_overlap", "overlap_json"]
