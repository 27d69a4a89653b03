"""A stack as terms of the forward pass: no weight is written, and strengths may differ per step and picture.

strengths.py holds the numbers of one model call, plan.py sorts a stack by layer, terms.py and by_weight.py
are the two ways a layer is changed, dispatch.py is how a module comes to do it.
"""

from .dispatch import Dispatcher, publish
from .layer import LiveLayer
from .plan import Plan
from .strengths import Strengths
from .surroundings import PlainTorch, Surroundings

__all__ = ["Dispatcher", "LiveLayer", "Plan", "PlainTorch", "Strengths", "Surroundings", "publish"]
