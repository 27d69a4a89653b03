"""Stacks that do not go onto a model, into a file or into a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .base import RackError


class BadMode(RackError):
    """A mode of applying a stack that cannot do what its entries ask."""


class SweepMismatch(RackError):
    """A sweep meets a latent, pictures or a model that are not its own."""


class CannotCombine(RackError):
    """LoRAs whose changes cannot be worked out together: two families, or a change no weight shows."""


class CannotSave(RackError):
    """A stack that no LoRA file can hold, or not in the form asked for."""


class FitError(RackError):
    """A LoRA that does not belong on the connected model."""


class OtherFamily(FitError):
    """The LoRA was made for another family of models, and not all of it fits this one."""


class NothingMatches(FitError):
    """Not one layer the LoRA names is in the model or the text encoder."""


class ShapeMismatch(FitError):
    """A layer the LoRA names is in the model, with another shape."""


class NotLive(FitError):
    """Weights that cannot be changed in the forward pass. `keys` are all of them."""

    def __init__(self, keys: Sequence[str], message: str) -> None:
        self.keys = tuple(keys)
        super().__init__(message)


class NotSweepable(FitError):
    """A layer in which the pictures of one batch cannot have strengths of their own."""

    def __init__(self, layer: str, problem: str) -> None:
        self.layer = layer
        super().__init__(f"{layer} {problem}. Render these strengths one at a time")


class Overflows(RackError):
    """A stack so strong that a weight, of this `dtype`, cannot hold its numbers. `key` is the weight's."""

    def __init__(self, key: str, dtype: str, largest: float, names: Sequence[str]) -> None:
        self.key = key
        super().__init__(
            f"{key} would have numbers beyond {largest:g}, the largest of {dtype}, and the picture would be "
            f"black. Lower the strengths or block weights of {', '.join(names)}; if they are ordinary, the "
            "file is broken"
        )

    @property
    def facts(self) -> dict[str, Any]:
        return {"key": self.key}


class CannotMerge(RackError):
    """A change that cannot be written into the weights of this model, or this file, as asked."""


class CannotCompare(RackError):
    """Two files that cannot be compared by what they do."""
