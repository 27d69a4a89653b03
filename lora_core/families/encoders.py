"""What is known of text encoders: their names in the host, blocks, groups of blocks, and weights."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from .catalog import data_beside
from .record import Family, Shapes


@cache
def encoder_rules() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Pattern of a key of a text encoder, and the id of its block."""
    return tuple((re.compile(pattern), id) for pattern, id in data_beside("text_encoders.json")["blocks"])


@cache
def encoder_groups() -> Mapping[str, frozenset[str]]:
    """Group name → prefixes of the text encoders' blocks in it."""
    return {name: frozenset(ids) for name, ids in data_beside("text_encoders.json")["groups"].items()}


@cache
def encoder_names() -> tuple[str, ...]:
    """What the host calls the text encoders."""
    return tuple(data_beside("text_encoders.json")["names"])


def usual_encoders(family: Family) -> tuple[Shapes, ...]:
    """The weights of each set of text encoders a family is used with, by key and shape; the usual set first.

    For when no file of them is given: an encoder has the same names, depth and shapes in all of its files.
    """
    return tuple(encoder_weights(names) for names in family.encoders)


def encoder_weights(names: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """The weights of a set of text encoders that LoRAs change, by key and shape."""
    return {key: shape for name in names for key, shape in _weights(name).items()}


def as_usual(shapes: Shapes, family: Family) -> dict[str, tuple[int, ...]]:
    """The weights of one text encoder under the name that the family's encoder of such weights has.

    A file of an encoder alone does not say what the host will call it: one architecture serves many families.
    """
    paths = {key.partition(".")[2]: shape for key, shape in shapes.items()}
    usual = {key: shape for found in usual_encoders(family) for key, shape in found.items()}
    votes = Counter(
        key.partition(".")[0] for key, shape in usual.items() if paths.get(key.partition(".")[2]) == shape
    )
    if not votes:
        return dict(shapes)
    name = votes.most_common(1)[0][0]
    return {f"{name}.{path}": shape for path, shape in paths.items()}


@cache
def _weights(encoder: str) -> dict[str, tuple[int, ...]]:
    """The weights of one encoder that LoRAs change: those of its blocks, and its projection."""
    data = data_beside("text_encoders.json")
    sizes = data["encoders"][encoder]
    kind = data["kinds"][sizes["kind"]]
    prefix = f"{sizes.get('name', encoder)}.transformer."
    weights: dict[str, tuple[int, ...]] = {}
    for path, dimensions in _modules(kind, sizes["blocks"]):
        shape = tuple(sizes[dimension] for dimension in dimensions)
        weights[f"{prefix}{path}.weight"] = shape
        if kind["has_bias"] and path not in kind["outside"]:
            weights[f"{prefix}{path}.bias"] = shape[:1]
    return weights


def _modules(kind: Mapping[str, Any], blocks: int) -> Iterator[tuple[str, list[str]]]:
    """Each module's path and the names of its weight's dimensions."""
    for number in range(blocks):
        for layer, dimensions in kind["layers"].items():
            yield f"{kind['folder']}.{number}.{layer}", dimensions
    yield from kind["outside"].items()
