"""How does a stack leave as one ordinary LoRA file?

`compress` makes a change smaller and `sizing` says by how much, `naming` calls it what other programs call
it, `layers` are its tensors, `facts` what a file says of itself. `planning` puts all of it together, and
`writing` writes it. `extracting` plans a file from two checkpoints, `splitting` two files from one.
"""

from .compress import Spectral, leading, spectral
from .extracting import plan_extract
from .layers import DTYPES
from .naming import NAMINGS
from .planning import SavePlan, plan_save
from .sizing import Size
from .splitting import plan_split
from .writing import write_save

__all__ = [
    "DTYPES",
    "NAMINGS",
    "SavePlan",
    "Size",
    "Spectral",
    "leading",
    "plan_extract",
    "plan_save",
    "plan_split",
    "spectral",
    "write_save",
]
