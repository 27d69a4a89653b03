"""What a LoRA was made for, told by its layer names and widths when its trainer did not write it down.

Right, or several relatives of which one is: layers that several families have leave all of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple

from ..families import Family, encoder_weights, families, versions
from .key_map import KeyMap
from .layer_names import is_text_encoder, modules_named
from .text_encoders import text_encoder_names

# Modules of a block that read what flows through it: projections of attention, modulation, the wide layers.
_OF_STREAM = re.compile(
    r"(?:^|[._])(?:to_q|q|q_proj|q_linear|wq|w[12]q|to_query|\w*qkv\w*|linear1|(?:img|txt)_mod\.1|mod\.lin|modulation\.lin|"
    r"(?:mlp|feed_forward)\.(?:0|fc1|w1|w3|gate_proj|up_proj|layer1|net\.0\.proj|linear_[13])|ff\.net\.0\.proj)$"
)


class _Layer(NamedTuple):
    modules: Mapping[str, str]  # of each family that has such a layer
    width: int  # of its input; 0 where the file does not tell


def guess_family(widths: Mapping[str, int]) -> tuple[str, ...]:
    """The ids of the families it may be for, the likeliest first, from {layer: width of its input}.

    None where no family has as much as half of the layers. Layers of text encoders count where there are no
    others.
    """
    layers = [
        _Layer(modules_named(layer), width) for layer, width in widths.items() if not is_text_encoder(layer)
    ]
    if not layers:
        return _by_encoders(widths)
    counts = Counter(id for layer in layers for id in layer.modules)
    most = max(counts.values(), default=0)
    if not most or 2 * most < len(layers):
        return ()
    found = [family for id, family in families().items() if counts[id] == most]
    found.sort(key=lambda family: not family.tables)  # what nobody named anew is seldom trained on
    for is_fit in (_has_blocks, _has_width):
        found = [family for family in found if is_fit(family, layers)] or found
    return tuple(version.id for family in found for version in _versions(family, layers))


def _by_encoders(widths: Mapping[str, int]) -> tuple[str, ...]:
    """The families whose text encoders have every one of the layers, those with the fewest encoders first."""
    found = {
        family.id: min(map(len, fitting))
        for family in families().values()
        if widths and (fitting := [names for names in family.encoders if _holds(_encoder_map(names), widths)])
    }
    return tuple(sorted(found, key=found.__getitem__))


def _holds(key_map: KeyMap, widths: Mapping[str, int]) -> bool:
    for layer, width in widths.items():
        target = key_map.find(layer)
        shape = None if target is None else key_map.shape(target)
        if shape is None or (width and len(shape) > 1 and shape[1] != width):
            return False
    return True


@cache
def _encoder_map(names: tuple[str, ...]) -> KeyMap:
    """The layer names of a set of text encoders."""
    shapes = encoder_weights(names)
    return KeyMap.of(text_encoder_names(shapes), shapes)


def _has_blocks(family: Family, layers: Iterable[_Layer]) -> bool:
    """Whether the largest model of the family has as many blocks as the file changes."""
    paths = {f"{layer.modules[family.id]}." for layer in layers if family.id in layer.modules}
    for pattern, kind in family.blocks:
        last = max((sizes[kind] for sizes in family.variants if kind in sizes), default=None)
        numbers = [found[1] for path in paths if (found := pattern.match(path)) and found.groups()]
        if last is not None and any(int(number) > last for number in numbers):
            return False
    return True


def _has_width(family: Family, layers: Iterable[_Layer]) -> bool:
    """Whether a model of the family is as wide as the file, as far as its attention tells."""
    found = {
        layer.width
        for layer in layers
        if layer.width and family.id in layer.modules and _OF_STREAM.search(layer.modules[family.id])
    }
    return not family.widths or not found or not found.isdisjoint(family.widths)


def _versions(family: Family, layers: Iterable[_Layer]) -> Iterable[Family]:
    """The versions of a family that a file may be for, and the family itself if it is a model of its own."""
    paths = {layer.modules[family.id]: layer.width for layer in layers if family.id in layer.modules}
    known = versions(family)
    found = [family] if family.called or not known else []
    for one in known:
        version = one.version
        assert version is not None
        widths = {width for path, width in paths.items() if version.key in f".{path}.weight"}
        if widths and (not version.width or version.width in widths):
            return [one]
        is_other = bool(widths - {0}) or (
            version.only is not None and not all(map(version.only.match, paths))
        )
        if not is_other and _has_blocks(one, _as(one, family, layers)):
            found.append(one)
    return sorted(found, key=lambda one: one.version is not None and not one.version.width) or known


def _as(version: Family, family: Family, layers: Iterable[_Layer]) -> list[_Layer]:
    return [
        _Layer({version.id: one.modules[family.id]}, one.width) for one in layers if family.id in one.modules
    ]
