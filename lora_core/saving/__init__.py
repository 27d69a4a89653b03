"""How does a stack leave as one ordinary LoRA file?

`rows` finds the weights a stack changes, `changes` says what it does to one, `compress` makes that smaller,
`naming` calls it what other programs call it, `planning` puts it together and `writing` writes it.
"""

from .changes import WeightChange, change_of
from .compress import Spectral, spectral
from .naming import NAMINGS
from .planning import DTYPES, SavePlan, Size, plan_save
from .rows import SaveRow, SaveSide
from .writing import write_save

__all__ = [
    "DTYPES",
    "NAMINGS",
    "SavePlan",
    "SaveRow",
    "SaveSide",
    "Size",
    "Spectral",
    "WeightChange",
    "change_of",
    "plan_save",
    "spectral",
    "write_save",
]
