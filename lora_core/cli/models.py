"""A checkpoint named on the command line, as a model to work stacks out on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..changes import StackSide
from ..errors import WrongUse
from ..key_maps import KeyMap, StoredAt, read_layout
from ..reading import Header, TensorReader, read_header


def sides_of(checkpoint: Path) -> list[StackSide]:
    """What a checkpoint has of a model and of text encoders."""
    header = read_header(checkpoint)
    layout = read_layout({key: info.shape for key, info in header.tensors.items()})
    maps: list[tuple[bool, KeyMap, Any]] = []
    if layout.model:
        maps.append((False, layout.model_map(), layout.model))
    if layout.clip:
        maps.append((True, layout.clip_map(), layout.clip))
    if not maps:
        raise WrongUse(f"{checkpoint}: holds no model that is known")
    return [StackSide(is_text, names, _weight_of(header, places)) for is_text, names, places in maps]


def _weight_of(header: Header, places: dict[str, StoredAt]) -> Callable[[str], Any]:
    def weight(key: str) -> Any:
        place = places.get(key)
        if place is None or not header.tensors[place.key].dtype.is_floating_point:
            return None
        with TensorReader(header) as reader:
            return place.view(reader.read(place.key).float())

    return weight
