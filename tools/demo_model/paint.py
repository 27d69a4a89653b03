"""Flat shapes with soft edges on a picture: the brushes that scenes.py paints with.

Pictures are float32 arrays (H, W, 3), sRGB-encoded, 0…1. Lengths are in picture heights, y points down.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Colour = tuple[float, float, float]


def rgb(code: str) -> Array:
    """The colour of a six-digit hexadecimal code, as (3,) in 0…1."""
    return np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)], dtype=np.float32) / np.float32(255)


def mix(first: Array, second: Array, share: float) -> Array:
    """`first` moved towards `second` by `share` (0 keeps the first)."""
    return (first * np.float32(1 - share) + second * np.float32(share)).astype(np.float32)


class Canvas:
    """A picture being painted, with the coordinates of its pixel centres."""

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width
        rows = (np.arange(height, dtype=np.float32) + np.float32(0.5)) / np.float32(height)
        columns = (np.arange(width, dtype=np.float32) + np.float32(0.5)) / np.float32(height)
        self.y: Array = np.repeat(rows[:, None], width, axis=1)
        self.x: Array = np.repeat(columns[None, :], height, axis=0)
        self.columns: Array = columns
        self.picture: Array = np.zeros((height, width, 3), dtype=np.float32)

    @property
    def aspect(self) -> float:
        """Width in heights."""
        return self.width / self.height

    def cover(self, inside: Array) -> Array:
        """Pixel coverage 0…1 of a shape given by its signed distance (positive inside), in heights."""
        return np.clip(inside * np.float32(self.height) + np.float32(0.5), 0, 1)

    def fill(self, coverage: Array, colour: Array, opacity: float = 1.0) -> None:
        """Lay one colour (3,) or a picture of colours (H, W, 3) over the canvas where `coverage` says."""
        share = (coverage * np.float32(opacity))[..., None]
        self.picture += share * (colour - self.picture)

    def disc(self, x: float, y: float, radius: float) -> Array:
        """Coverage of a disc."""
        distance = np.sqrt((self.x - np.float32(x)) ** 2 + (self.y - np.float32(y)) ** 2)
        return self.cover(np.float32(radius) - distance)

    def below(self, ridge: Array) -> Array:
        """Coverage of everything under a line given as heights y per column, (W,)."""
        slope = np.gradient(ridge, self.columns)
        return self.cover((self.y - ridge[None, :]) / np.sqrt(1 + slope**2)[None, :].astype(np.float32))

    def polygon(self, corners: list[tuple[float, float]]) -> Array:
        """Coverage of a convex polygon with corners (x, y) in clockwise order as seen on screen."""
        inside: Array | None = None
        for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
            dx, dy = x1 - x0, y1 - y0
            length = max((dx * dx + dy * dy) ** 0.5, 1e-9)
            edge = (
                np.float32(dx) * (self.y - np.float32(y0)) - np.float32(dy) * (self.x - np.float32(x0))
            ) / np.float32(length)
            inside = edge if inside is None else np.minimum(inside, edge)
        assert inside is not None, "a polygon needs corners"
        return self.cover(inside)

    def box(self, left: float, top: float, right: float, bottom: float) -> Array:
        """Coverage of an upright rectangle."""
        return self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)])

    def shade(self, amount: Array) -> None:
        """Make the picture lighter (positive) or darker (negative) by factor 1 + amount, per pixel (H, W)."""
        self.picture *= (1 + amount)[..., None]
