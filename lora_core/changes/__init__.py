"""What does a stack do to each weight, as factors or as a difference?

`weights` finds the weights a stack changes, with a model or by the names in the files, and `change` says what
some rows do to one; `by_method` says the same for a method of merging. `uses` makes steps of layers.
"""

from .by_method import merged
from .change import WeightChange, change_of, needs_weight
from .uses import LayerUse, layer_uses, steps_of
from .weights import ChangedWeight, StackRow, StackSide, changed_weights, left_out, read_in_turn

__all__ = [
    "ChangedWeight",
    "LayerUse",
    "StackRow",
    "StackSide",
    "WeightChange",
    "change_of",
    "changed_weights",
    "layer_uses",
    "left_out",
    "merged",
    "needs_weight",
    "read_in_turn",
    "steps_of",
]
