"""What every method of merging can do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class Method:
    """A way from the changes of several LoRAs to one."""

    @property
    def text(self) -> str:
        """Its name and its numbers, for reports and for what a file says of itself."""
        raise NotImplementedError

    def merge(self, changes: Sequence[Tensor], key: str) -> Tensor:
        """One change of a weight from those of the rows that change it, all of one shape, in float32.

        `key` is the weight's name, for methods that draw lots.
        """
        raise NotImplementedError
