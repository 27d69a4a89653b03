"""How do the changes that several LoRAs make to a weight become one change? One file a method.

A method takes whole changes, strengths in them. `METHODS` makes one by its name; docs/workbench.md says what
each is for.
"""

from .dare_ties import DareTies
from .method import Method
from .methods import METHODS, make_method
from .sum_up import SUM, Sum
from .ties import Ties

__all__ = ["METHODS", "SUM", "DareTies", "Method", "Sum", "Ties", "make_method"]
