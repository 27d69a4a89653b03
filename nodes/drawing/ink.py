"""Colours, spaces and type of what this pack draws."""

from __future__ import annotations

from functools import lru_cache

from PIL import ImageFont

BACKGROUND = "#16181d"
LINE = "#2a2e37"
TEXT = "#e8eaee"
FAINT = "#8b93a1"
# Told apart by people who see no red or green, too.
LINES = ("#7cc4ff", "#ffd479", "#ff9ecb", "#8de0c0", "#c7a6ff", "#ff8f6b")

GAP_PX = 12
MARGIN_PX = 28


@lru_cache(maxsize=16)
def font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own typeface: there on every machine."""
    return ImageFont.load_default(size_px)
