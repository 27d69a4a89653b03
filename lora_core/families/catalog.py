"""All families, and which one a model or a word means."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from .record import Family, RowLayout, Shapes, read_record

_RECORDS = Path(__file__).with_name("records")


@cache
def families() -> Mapping[str, Family]:
    """Every family by its id. One that others are like comes before them."""
    data = {
        path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(_RECORDS.glob("*.json"))
    }
    found: dict[str, Family] = {}
    while waiting := [id for id in data if id not in found]:
        for id in waiting:
            like = data[id].get("like")
            if like is None or like in found:
                found[id] = read_record(id, data[id], found.get(like))
    return found


def family(id: str) -> Family:
    """The family of an id. Raises KeyError."""
    return families()[id]


def find_family(keys: Iterable[str]) -> Family | None:
    """The family of a diffusion model whose keys, without any prefix, are `keys`; None for one unknown.

    Depths and widths are never compared, so a pruned or grown sibling is found too. The marker keys are those
    of the host's comfy/model_detection.py `detect_unet_config` where it has one that only the family has.
    """
    known = set(keys)
    known |= {key.partition(".")[0] + "." for key in known}
    return next((one for one in families().values() if any(m.fits(known) for m in one.markers)), None)


def find_version(family: Family, shapes: Shapes) -> Family:
    """The version of a family that a model is, where it has versions; `shapes` are without any prefix.

    The width of the text a model reads tells most of them apart (comfy/supported_models.py). A packed weight
    does not show it.
    """
    for one in versions(family):
        if one.version is not None and one.version.fits(shapes):
            return one
    return family


def versions(family: Family) -> tuple[Family, ...]:
    """The versions of a family, those told by a key before those told by a width."""
    found = [one for one in families().values() if one.version is not None and one.like is family]
    return tuple(sorted(found, key=lambda one: one.version is not None and one.version.width))


def family_called(text: str) -> Family | None:
    """The family a trainer or a site means by 'sdxl_base_v1-0', 'SD 1.5', 'Flux.1 D', …"""
    folded = re.sub(r"[^a-z0-9]", "", text.lower())
    return next((one for spelling, one in _spellings() if folded.startswith(spelling)), None)


@cache
def _spellings() -> tuple[tuple[str, Family], ...]:
    """The longest first."""
    pairs = [(spelling, one) for one in families().values() for spelling in one.called]
    return tuple(sorted(pairs, key=lambda pair: -len(pair[0])))


@cache
def row_layouts() -> Mapping[RowLayout, tuple[re.Pattern[str], ...]]:
    """Modules of the host's models whose input has other rows than one a picture, by patterns of their paths.

    'folded': several rows a picture, those of one picture side by side. 'mixed': in no such order.
    """
    found: dict[RowLayout, tuple[re.Pattern[str], ...]] = {"folded": (), "mixed": ()}
    for one in families().values():
        for rows, patterns in one.rows.items():
            found[rows] += patterns
    return found


def data_beside(name: str) -> Any:
    """The content of a JSON file of this folder."""
    return json.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))
