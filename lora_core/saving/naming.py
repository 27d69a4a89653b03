"""What the layers of a saved LoRA are called: in the spelling of the programs that load it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ..errors import CannotSave
from ..key_maps import KeyMap, Target, comfyui_names, diffusers_names, kohya_names

NAMINGS = ("as is", "ComfyUI", "kohya", "diffusers")
"""How layers can be called. "as is" keeps the names of the files, the others take a model."""

_NAMES = {"ComfyUI": comfyui_names, "kohya": kohya_names, "diffusers": diffusers_names}


@dataclass(frozen=True)
class NamedLayer:
    """A layer of the file, and the target it stands for: a weight, or some rows of one.

    That of a bias ends in `.bias`.
    """

    name: str
    target: Target


class Namer:
    """Finds the names of weights in one spelling."""

    def __init__(self, naming: str, key_map: KeyMap, is_text_encoder: bool) -> None:
        self._naming = naming
        self._by_key: dict[str, list[NamedLayer]] = {}
        self._shapes = {**key_map.packed, **key_map.shapes}
        for name, target in _NAMES[naming](self._shapes, is_text_encoder):
            self._by_key.setdefault(target.key, []).append(NamedLayer(name, target))

    def layers(self, key: str) -> Sequence[NamedLayer]:
        """The layers that stand for the weight `key` together. Raises CannotSave where there are none."""
        found = self.find(key)
        if not found:
            raise CannotSave(
                f"{key} has no name as {self._naming} writes them. Choose another naming, or leave the LoRA "
                "that changes it out"
            )
        return found

    def find(self, key: str) -> Sequence[NamedLayer]:
        """The same, empty where there are none."""
        is_bias = key.endswith(".bias")
        weight = f"{key.removesuffix('.bias')}.weight" if is_bias else key
        found = self._by_key.get(weight, [])
        whole = [layer for layer in found if layer.target.offset is None]
        if whole:
            return [replace(whole[0], name=f"{whole[0].name}.bias")] if is_bias else whole[:1]
        return [] if is_bias or not found else [*_tiles(found, self._shapes[weight][0])]


def _tiles(layers: Iterable[NamedLayer], rows: int) -> Iterator[NamedLayer]:
    """Slices that make up all rows of a weight one after the other, none where they do not."""
    by_start = {
        layer.target.offset[1]: layer
        for layer in layers
        if layer.target.offset and layer.target.offset[0] == 0
    }
    found: list[NamedLayer] = []
    start = 0
    while start < rows and start in by_start:
        found.append(by_start[start])
        offset = by_start[start].target.offset
        assert offset is not None
        start += offset[2]
    if start == rows:
        yield from found
