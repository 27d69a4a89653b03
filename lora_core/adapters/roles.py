"""What every formula does with the tensors of a layer before its own maths: completeness, scale, rank.

`Roles` maps the role of a tensor (key_names.py) to the tensor. A formula takes the roles it knows and leaves
the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

Roles = Mapping[str, "Tensor"]

MOST_AXES = 5  # of a factor: a convolution over a volume
MAX_SCALE = 1e6  # alpha / rank; trainers write up to some hundreds
_MOST_PRODUCT = 2**25  # numbers of a core times a factor; the largest known have 6 million

SCALE_ROLES = frozenset({"alpha", "scale"})


class BadTensors(ValueError):
    """Tensors of a layer that do not belong together. `role` is the one to name."""

    def __init__(self, role: str, problem: str) -> None:
        self.role = role
        self.problem = problem
        super().__init__(f"{role}: {problem}")


def has_all(tensors: Roles, *roles: str) -> bool:
    """Whether the roles are there: all of them or none. Raises BadTensors when some are missing."""
    present = [role for role in roles if role in tensors]
    if present and len(present) < len(roles):
        missing = ", ".join(repr(role) for role in roles if role not in tensors)
        raise BadTensors(present[0], f"has no {missing} beside it")
    return bool(present)


def require(condition: bool, tensors: Roles, role: str, *others: str) -> None:
    """Raises BadTensors, naming the shapes of `role` and `others`, unless the condition holds."""
    if not condition:
        shapes = " and ".join(f"{name} {list(tensors[name].shape)}" for name in (role, *others))
        raise BadTensors(role, f"does not fit: {shapes} cannot be factors of one weight")


def times_core(core: Tensor, factor: Tensor, role: str) -> Tensor:
    """A Tucker core (m, n, *kernel) times a factor (n, i): (m, i, *kernel), in float32.

    The product of two half-precision factors is no half-precision number. Raises BadTensors where it would be
    out of all proportion: two thin factors of a file may stand for more numbers than there is memory.
    """
    size = core.shape[0] * factor.shape[1] * math.prod(core.shape[2:])
    if size > _MOST_PRODUCT:
        raise BadTensors(role, f"makes a factor of {size} numbers, at most {_MOST_PRODUCT} are made")
    product = factor.float().T @ core.float().flatten(2)
    return product.reshape(core.shape[0], factor.shape[1], *core.shape[2:])


def read_number(tensors: Roles, role: str) -> float:
    """The one finite number a role's tensor holds. Raises BadTensors."""
    tensor = tensors[role]
    if tensor.numel() != 1:
        raise BadTensors(role, f"is not one number but of shape {list(tensor.shape)}")
    number = float(tensor)
    if not math.isfinite(number):
        raise BadTensors(role, f"is {number}")
    return number


def read_scale(tensors: Roles, rank: int) -> float:
    """alpha / rank, or what a PEFT config says.

    An alpha that is missing or 0 stands for the rank, as in sd-scripts (networks/lora.py `LoRAModule`) and
    LyCORIS (modules/locon.py `LoConModule`). Raises BadTensors for one beyond MAX_SCALE.
    """
    if "scale" in tensors:
        return _limited(read_number(tensors, "scale"), "scale")
    alpha = read_number(tensors, "alpha") if "alpha" in tensors else 0.0
    return _limited(alpha / rank, "alpha") if alpha else 1.0


def _limited(scale: float, role: str) -> float:
    if abs(scale) > MAX_SCALE:
        raise BadTensors(role, f"makes a scale of {scale:g} (alpha / rank), at most {MAX_SCALE:g} is applied")
    return scale


def used(tensors: Roles, *roles: str) -> set[str]:
    """Those of the roles that are there, and the scale's."""
    return (set(roles) | SCALE_ROLES) & tensors.keys()


def matrix_shape(shape: tuple[int, ...] | torch.Size) -> tuple[int, int]:
    """(out, in · kernel) of a weight; a vector of n numbers is (n, 1)."""
    return (shape[0], math.prod(shape[1:])) if len(shape) else (1, 1)
