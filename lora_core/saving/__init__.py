"""How does a stack leave as one ordinary LoRA file?

`compress` makes a change smaller and `sizing` says by how much, `naming` calls it what other programs call
it, `layers` are its tensors, `facts` what a file says of itself. `planning` puts all of it together, and
`writing` writes it.
"""

from .compress import Spectral, spectral
from .layers import DTYPES
from .naming import NAMINGS
from .planning import SavePlan, plan_save
from .sizing import Size
from .writing import write_save

__all__ = [
    "DTYPES",
    "NAMINGS",
    "SavePlan",
    "Size",
    "Spectral",
    "plan_save",
    "spectral",
    "write_save",
]
