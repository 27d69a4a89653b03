"""The blocks of the model a key map is of."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping

from ..blocks import BlockWeights, ModelBlocks, Weight, blocks_of_model
from ..errors import BadBlockText
from ..key_maps import KeyMap
from ..stack import Entry

_FAMILIES: weakref.WeakKeyDictionary[KeyMap, ModelBlocks] = weakref.WeakKeyDictionary()


def blocks_in(key_map: KeyMap) -> ModelBlocks:
    """The family of the model a key map is of, found once."""
    known = _FAMILIES.get(key_map)
    if known is None:
        shapes = {**key_map.packed, **key_map.shapes}
        known = _FAMILIES[key_map] = blocks_of_model(shapes)
    return known


def weights_in(blocks: BlockWeights, key_map: KeyMap) -> Mapping[str, Weight] | None:
    """Block weights by the keys of the model a key map is of; None where all of them are 1."""
    return None if blocks.is_neutral else blocks.by_key(blocks_in(key_map))


def require_blocks(entries: Iterable[Entry], key_map: KeyMap) -> None:
    """Raises BadBlockText, with the entry's name, for block weights that mean nothing in a model."""
    for entry in entries:
        if not entry.blocks.is_neutral:
            try:
                entry.blocks.at(blocks_in(key_map))
            except BadBlockText as bad:
                raise bad.of(entry.name) from None
