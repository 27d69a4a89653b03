"""A stack as terms of the forward pass: no weight is written, and strengths may differ per step and picture.

strengths.py holds the numbers of one call of the model, plan.py sorts a stack by module; terms.py (made by
making.py) and by_weight.py are the two ways a layer.py changes its module, dispatch.py is how a module comes
to do it.
"""

from .dispatch import Dispatcher, publish
from .layer import LiveLayer
from .plan import Plan
from .strengths import Rows, Strengths, StrengthsAt, timed
from .surroundings import PlainTorch, Surroundings

__all__ = [
    "Dispatcher",
    "LiveLayer",
    "PlainTorch",
    "Plan",
    "Rows",
    "Strengths",
    "StrengthsAt",
    "Surroundings",
    "publish",
    "timed",
]
