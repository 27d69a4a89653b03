"""The three things that can stand in a scene: pines, a house, a sailing boat."""

from __future__ import annotations

import numpy as np

from .paint import Array, Canvas, mix

PINES = ((0.0, 0.30), (0.105, 0.22), (-0.095, 0.25), (0.20, 0.17))  # offset along the ridge, height


def draw_pines(
    canvas: Canvas, x: float, bank: Array, needles: Array, shadow: Array, snow: Array | None, detail: float
) -> None:
    """A group of four pines of fixed sizes; the left half of each is lit, the right half is dark."""
    for offset, height in PINES:
        middle = min(max(x + offset, 0.0), canvas.aspect - 1e-3)
        foot = float(bank[int(middle * canvas.height)]) + 0.03
        canvas.fill(canvas.box(middle - 0.009, foot - 0.04, middle + 0.009, foot), shadow)
        for tier in range(3):
            top = foot - height + tier * height * 0.24
            bottom = foot - 0.025 - (2 - tier) * height * 0.22
            half = height * (0.15 + 0.075 * tier)
            shape = canvas.polygon([(middle, top), (middle + half, bottom), (middle - half, bottom)])
            right = canvas.cover(canvas.x - np.float32(middle))
            canvas.fill(shape, needles)
            canvas.fill(shape * right, mix(needles, shadow, 0.5))
            if snow is not None:
                lit = canvas.cover(np.float32(top + height * 0.13) - canvas.y)
                canvas.fill(shape * lit, snow, 0.85)
        if detail > 0:
            lines = np.cos(
                (canvas.y - np.abs(canvas.x - np.float32(middle)) * 0.6) * np.float32(2 * np.pi * 26)
            )
            inside = canvas.polygon(
                [(middle, foot - height), (middle + height * 0.3, foot), (middle - height * 0.3, foot)]
            )
            canvas.shade((np.float32(0.14 * detail) * lines * inside).astype(np.float32))


def draw_house(
    canvas: Canvas, x: float, foot: float, colours: tuple[Array, Array, Array], detail: float
) -> None:
    """A cottage: `colours` are wall, roof and window."""
    wall, roof, window = colours
    half, tall = 0.105, 0.115
    top = foot - tall
    canvas.fill(canvas.box(x + 0.045, top - 0.11, x + 0.075, top - 0.02), wall * np.float32(0.7))
    canvas.fill(canvas.box(x - half, top, x + half, foot), wall)
    canvas.fill(canvas.box(x + half * 0.35, top, x + half, foot), wall * np.float32(0.82))
    canvas.fill(
        canvas.polygon(
            [
                (x - half * 0.62, top - 0.085),
                (x + half * 0.62, top - 0.085),
                (x + half + 0.025, top),
                (x - half - 0.025, top),
            ]
        ),
        roof,
    )
    for left in (x - half * 0.75, x + half * 0.48):
        canvas.fill(canvas.box(left, top + 0.03, left + 0.036, top + 0.072), window)
    canvas.fill(canvas.box(x - 0.022, foot - 0.068, x + 0.016, foot), roof * np.float32(0.55))
    if detail > 0:
        tiles = np.cos((canvas.y - np.float32(top)) * np.float32(2 * np.pi * 34))
        over = canvas.box(x - half, top - 0.085, x + half, top)
        canvas.shade((np.float32(0.12 * detail) * tiles * over).astype(np.float32))


def draw_boat(canvas: Canvas, x: float, line: float, sail: Array, hull: Array, detail: float) -> None:
    """A sailing boat with two sails and its reflection below the water line."""
    mast, half = 0.20, 0.095
    for down, opacity in ((False, 1.0), (True, 0.35)):
        sign = -1.0 if down else 1.0

        def at(dx: float, up: float, sign: float = sign) -> tuple[float, float]:
            return (x + dx, line - sign * up)

        def shape(*corners: tuple[float, float], down: bool = down) -> Array:
            return canvas.polygon(list(reversed(corners)) if down else list(corners))

        canvas.fill(shape(at(0.012, mast), at(0.085, 0.045), at(0.012, 0.045)), sail, opacity)
        canvas.fill(
            shape(at(-0.008, mast * 0.88), at(-0.008, 0.045), at(-0.065, 0.045)),
            sail * np.float32(0.84),
            opacity,
        )
        canvas.fill(
            shape(at(-half, 0.035), at(half, 0.035), at(half * 0.68, 0.0), at(-half * 0.7, 0.0)),
            hull,
            opacity,
        )
    if detail > 0:
        seams = np.cos((canvas.y - np.float32(line)) * np.float32(2 * np.pi * 30))
        over = canvas.polygon([(x, line - mast), (x + 0.085, line - 0.045), (x - 0.065, line - 0.045)])
        canvas.shade((np.float32(0.07 * detail) * seams * over).astype(np.float32))
