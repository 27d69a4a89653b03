"""Prompts by the host's own text encoder node."""

from __future__ import annotations

from typing import Any

import nodes

from .protocols import Clip


def encode(clip: Clip | None, words: str) -> list[Any]:
    """What CLIPTextEncode makes of a prompt: the host's, or what another pack has put in its place.

    Raises what it raises, as for a checkpoint without a text encoder.
    """
    kind = nodes.NODE_CLASS_MAPPINGS["CLIPTextEncode"]  # type: ignore[attr-defined]  # to mypy, the pack's folder
    (conditioning,) = getattr(kind(), kind.FUNCTION)(clip=clip, text=words)
    return list(conditioning)
