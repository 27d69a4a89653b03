"""Which stack is kept under a name?

`store` keeps stacks as text files, `expanding` puts rows in the place of a name.
"""

from .expanding import expand, unpack
from .store import RackStore, SavedRack

__all__ = ["RackStore", "SavedRack", "expand", "unpack"]
