"""The connected models, as the core works a stack out on them."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ...lora_core.changes import StackSide
from ...lora_core.key_maps import KeyMap, Target
from .key_maps import clip_map, model_map
from .protocols import Clip, Patcher
from .weights import weights_of


def stack_sides(model: Patcher | None, clip: Clip | None = None) -> list[StackSide]:
    """What is connected of a model and its text encoder."""
    sides = []
    if model is not None:
        sides.append(StackSide(False, model_map(model), _weight_in(model_map(model), model)))
    if clip is not None:
        sides.append(StackSide(True, clip_map(clip), _weight_in(clip_map(clip), clip.patcher)))
    return sides


def _weight_in(names: KeyMap, patcher: Patcher) -> Callable[[str], Tensor | None]:
    weight = weights_of(patcher)
    return lambda key: weight(Target(key)) if key in names.shapes else None
