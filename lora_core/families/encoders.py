"""What is known of text encoders: their names in the host, their blocks, and the groups those are in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from .catalog import data_beside


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
