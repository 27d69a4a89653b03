"""Procedural travel-poster landscapes with captions: the demo model's whole world.

A Scene holds the few free numbers of one picture; `draw` paints it, at any size and any amount of detail.
The same scene at another detail has the same layout, palette and mean colour, which is what the detail
slider learns from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .paint import Array, Canvas, mix, rgb
from .things import draw_boat, draw_house, draw_pines

TIMES = ("dawn", "day", "sunset", "night")
PLACES = ("mountains", "lake", "hills", "sea")
SEASONS = ("summer", "autumn", "winter")
THINGS = ("", "pines", "house", "boat")
VOCABULARY = TIMES + PLACES + SEASONS + THINGS[1:] + ("clouds",)

SKY = {
    "dawn": ("6f8fc9", "f0b3b8", "ffe2b0"),
    "day": ("2f86d1", "7fc0ea", "d8f0f2"),
    "sunset": ("3a2a66", "d4506a", "ffb355"),
    "night": ("0a1238", "1a2c63", "43629c"),
}
LIGHT = {"dawn": "fff0c4", "day": "fff1b8", "sunset": "ffe68a", "night": "f6f0d6"}
TINT = {"dawn": "d8a8b4", "day": "ffffff", "sunset": "94485c", "night": "2c4478"}
SHADOW = {"dawn": "3c3b66", "day": "174a52", "sunset": "251238", "night": "070d28"}
GROUND = {"summer": "57a35a", "autumn": "d9822f", "winter": "eef3fa"}
ROCK = "7d8aa3"
STARS = np.random.Generator(np.random.PCG64(7)).random((70, 3)).astype(np.float32)


@dataclass(frozen=True)
class Scene:
    """One picture's free choices. Numbers are 0…1 draws unless a comment says otherwise."""

    time: str
    place: str
    season: str
    thing: str
    clouds: bool
    sun_x: float
    sun_y: float
    peaks: tuple[float, ...]  # four draws: where the main peak is, its height, its steepness, the second peak
    waves: tuple[float, ...]  # four draws: phases and sizes of the two nearer ridges
    thing_x: float
    cloud_x: float

    @property
    def caption(self) -> str:
        """The words that describe the picture, in the order of VOCABULARY's groups."""
        words = [self.time, self.place, self.season, self.thing, "clouds" if self.clouds else ""]
        return " ".join(word for word in words if word)


def sample_scene(rng: np.random.Generator) -> Scene:
    """Draw one scene. Boats need water, houses and pines need land."""
    time, place, season = str(rng.choice(TIMES)), str(rng.choice(PLACES)), str(rng.choice(SEASONS))
    things = {"lake": THINGS, "sea": ("", "boat", "house")}.get(place, ("", "pines", "house"))
    draws = rng.random(12)
    return Scene(
        time=time,
        place=place,
        season=season,
        thing=str(rng.choice(things)),
        clouds=bool(draws[0] < (0.2 if time == "night" else 0.4)),
        sun_x=float(draws[1]),
        sun_y=float(draws[2]),
        peaks=tuple(float(v) for v in draws[3:7]),
        waves=(*(float(v) for v in draws[7:10]), float(rng.random())),
        thing_x=float(draws[10]),
        cloud_x=float(draws[11]),
    )


def draw(scene: Scene, detail: float = 0.0, height: int = 128, width: int = 128) -> Array:
    """Paint a scene, (height, width, 3), sRGB 0…1. Detail: -2 (soft, bare), 0 (normal), 2 (engraved)."""
    canvas = Canvas(height, width)
    horizon = {"sea": 0.60, "lake": 0.58}.get(scene.place, 0.66)
    _sky(canvas, scene, horizon, detail)
    if scene.place in ("mountains", "lake"):
        _mountains(canvas, scene, horizon, detail)
    if scene.place in ("lake", "sea"):
        if scene.place == "sea":
            _island(canvas, scene, horizon)
        _water(canvas, scene, horizon, detail)
    bank = _land(canvas, scene, detail)
    _things(canvas, scene, bank, horizon, detail)
    picture = soften(canvas.picture, 0.55 * -detail) if detail < 0 else canvas.picture
    return np.clip(picture, 0, 1)


def soften(picture: Array, sigma: float) -> Array:
    """Gaussian blur of `sigma` pixels, edges mirrored."""
    reach = max(1, int(3 * sigma + 1))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma, 1e-3)) ** 2)
    taps = (taps / taps.sum()).astype(np.float32)
    for axis in (0, 1):
        pad = [(reach, reach) if a == axis else (0, 0) for a in range(3)]
        padded = np.pad(picture, pad, mode="reflect")
        size = picture.shape[axis]
        picture = sum(t * np.take(padded, range(i, i + size), axis=axis) for i, t in enumerate(taps))
    return picture.astype(np.float32)


def _light_at(canvas: Canvas, scene: Scene, horizon: float) -> tuple[float, float, float]:
    """Where the sun or moon stands, and its radius."""
    low, high = {"dawn": (0.30, 0.48), "day": (0.13, 0.26), "sunset": (0.34, 0.52), "night": (0.14, 0.30)}[
        scene.time
    ]
    x = canvas.aspect * (0.22 + 0.56 * scene.sun_x)
    radius = {"dawn": 0.075, "day": 0.07, "sunset": 0.095, "night": 0.065}[scene.time]
    return x, low + (high - low) * scene.sun_y - (0.66 - horizon), radius


def _sky(canvas: Canvas, scene: Scene, horizon: float, detail: float) -> None:
    top, middle, bottom = (rgb(code) for code in SKY[scene.time])
    depth = np.clip(canvas.y / np.float32(horizon), 0, 1)[..., None]
    canvas.picture = np.where(
        depth < 0.55, top + (middle - top) * depth / 0.55, middle + (bottom - middle) * (depth - 0.55) / 0.45
    ).astype(np.float32)
    x, y, radius = _light_at(canvas, scene, horizon)
    light = rgb(LIGHT[scene.time])
    distance = np.sqrt((canvas.x - np.float32(x)) ** 2 + (canvas.y - np.float32(y)) ** 2)
    if scene.time == "night":
        _stars(canvas, detail)
    canvas.fill(np.exp(-distance / np.float32(0.16)), light, 0.5 if scene.time != "day" else 0.35)
    if detail > 0 and scene.time != "night":
        rings = np.sin((distance - np.float32(radius)) * np.float32(2 * np.pi * 18))
        fade = np.exp(-distance / np.float32(0.35)) * (distance > radius * 1.15)
        canvas.shade((np.float32(0.05 * detail) * rings * fade).astype(np.float32))
    canvas.fill(canvas.disc(x, y, radius), light)
    if scene.time == "night":
        sky = mix(rgb(SKY["night"][1]), light, 0.18)
        canvas.fill(
            canvas.disc(x + radius * 0.45, y - radius * 0.22, radius * 0.86) * canvas.disc(x, y, radius), sky
        )
    if scene.clouds:
        _cloud(canvas, scene, detail)


def _stars(canvas: Canvas, detail: float) -> None:
    """The same constellation in every night: a few stars, or many, or none."""
    shown = np.clip(26 + 22 * detail, 0, 70)
    for i, (x, y, size) in enumerate(STARS):
        opacity = float(np.clip(shown - i, 0, 1))
        if opacity:
            radius = 0.005 + 0.004 * float(size) ** 2
            star = canvas.disc(float(x) * canvas.aspect, 0.02 + 0.5 * float(y), radius)
            canvas.fill(star, rgb("fff6dc"), opacity * (0.55 + 0.45 * float(size)))


def _cloud(canvas: Canvas, scene: Scene, detail: float) -> None:
    """Two flat-bottomed clouds, one large, one small, on opposite sides."""
    white = mix(rgb("ffffff"), rgb(SKY[scene.time][1]), {"day": 0.05, "night": 0.72}.get(scene.time, 0.45))
    for side, y, size in ((scene.cloud_x, 0.24, 0.075), ((scene.cloud_x + 0.55) % 1.0, 0.12, 0.05)):
        x = canvas.aspect * (0.1 + 0.8 * side)
        puffs = np.maximum(canvas.disc(x, y, size), canvas.disc(x - size * 1.1, y + size * 0.35, size * 0.65))
        puffs = np.maximum(puffs, canvas.disc(x + size * 1.25, y + size * 0.3, size * 0.7))
        flat = canvas.cover(np.float32(y + size * 0.55) - canvas.y)
        shade = mix(white, rgb(SKY[scene.time][1]), 0.35)
        canvas.fill(puffs * flat, white, 0.95)
        low = canvas.cover(canvas.y - np.float32(y + size * 0.28))
        canvas.fill(puffs * flat * low, shade, float(np.clip(0.5 + 0.4 * detail, 0, 1)))


def _land_colour(scene: Scene, near: float) -> Array:
    """The ground's colour: `near` 0 is lost in the haze, 1 is at our feet."""
    tint = rgb(TINT[scene.time])
    lit = rgb(GROUND[scene.season]) * tint
    haze = mix(rgb(SKY[scene.time][2]), rgb(SKY[scene.time][1]), 0.6)
    return mix(mix(haze, lit.astype(np.float32), 0.25 + 0.75 * near), rgb(SHADOW[scene.time]), 0.5 * near**2)


def _hatch(canvas: Canvas, ridge: Array, coverage: Array, detail: float, period: float) -> None:
    """Engraver's lines that follow a ridge, fading with depth: none below normal, strong at detail 2."""
    strength = 0.04 * max(0.0, 1 + detail) + 0.03 * max(0.0, detail)
    if strength:
        depth = (canvas.y - ridge[None, :]) / np.float32(period)
        lines = np.cos(2 * np.pi * depth) + 0.35 * np.cos(4 * np.pi * depth)
        canvas.shade((np.float32(strength) * lines * coverage).astype(np.float32))


def _mountains(canvas: Canvas, scene: Scene, horizon: float, detail: float) -> None:
    """Two or three peaks with a lit side, a dark side and, above the snow line, snow."""
    place, tall, steep, second = scene.peaks
    main_x = canvas.aspect * (0.25 + 0.5 * place)
    apexes = [
        (main_x + canvas.aspect * (0.34 if place < 0.5 else -0.34), horizon - 0.18 - 0.1 * second, 0.85),
        (main_x - canvas.aspect * (0.30 if place < 0.5 else -0.30), horizon - 0.13 - 0.06 * tall, 0.7),
        (main_x, horizon - 0.30 - 0.10 * tall, 0.75 + 0.35 * steep),
    ]
    rock = mix(
        mix(rgb(ROCK) * rgb(TINT[scene.time]), rgb(SKY[scene.time][1]), 0.30), rgb(SHADOW[scene.time]), 0.12
    )
    snow = mix(rgb("ffffff"), rgb(LIGHT[scene.time]), 0.4) * mix(rgb("ffffff"), rgb(TINT[scene.time]), 0.6)
    snow_line = {"winter": 0.30, "autumn": 0.14, "summer": 0.11}[scene.season]
    lit_right = 1.0 if scene.sun_x > place else -1.0
    for x, y, slope in apexes:
        across, down = canvas.x - np.float32(x), canvas.y - np.float32(y)
        inside = canvas.cover((down - np.abs(across) * np.float32(slope)) / np.float32((1 + slope**2) ** 0.5))
        ground = canvas.cover(np.float32(horizon) - canvas.y)
        inside = inside * ground
        zigzag = np.abs((down * np.float32(9)) % 1 - np.float32(0.5)) * np.float32(0.09)
        dark = canvas.cover(-(across * np.float32(lit_right)) + zigzag - np.float32(0.02))
        teeth = np.abs((across * np.float32(11)) % 1 - np.float32(0.5)) * np.float32(0.11)
        cap = inside * canvas.cover(np.float32(snow_line) - down - teeth)
        canvas.fill(inside, mix(rock, rgb(LIGHT[scene.time]), 0.10))
        canvas.fill(cap, snow)
        canvas.fill(inside * dark, rock * np.float32(0.72))
        canvas.fill(cap * dark, mix(snow, rock, 0.55))
        if detail > -1:
            lines = np.cos((down + np.abs(across) * np.float32(0.9)) * np.float32(2 * np.pi * 19))
            canvas.shade(
                (np.float32(0.03 * (1 + detail) + 0.03 * max(detail, 0)) * lines * inside).astype(np.float32)
            )


def _island(canvas: Canvas, scene: Scene, horizon: float) -> None:
    """A far headland on the sea's horizon, opposite the sun."""
    side = 1.0 if scene.sun_x < 0.5 else 0.0
    x = canvas.aspect * (side + (0.5 - side) * 0.3)
    rise = 0.06 + 0.10 * scene.peaks[1]
    ridge = np.float32(horizon) - np.float32(rise) * np.exp(-(((canvas.columns - np.float32(x)) / 0.24) ** 2))
    ridge = np.where(ridge > horizon - 0.006, np.float32(horizon + 0.02), ridge).astype(np.float32)
    canvas.fill(canvas.below(ridge), mix(_land_colour(scene, 0.3), rgb(SHADOW[scene.time]), 0.25))


def _water(canvas: Canvas, scene: Scene, horizon: float, detail: float) -> None:
    """A mirror of what stands above the horizon, darkened, with a path of light and ripples."""
    line = round(horizon * canvas.height)
    rows = canvas.height - line
    mirror = canvas.picture[np.clip(line - 1 - (np.arange(rows) * 1.0).astype(int), 0, None)]
    depth = (np.arange(rows, dtype=np.float32) / rows)[:, None, None]
    deep = mix(rgb(SHADOW[scene.time]), rgb(SKY[scene.time][0]), 0.55)
    canvas.picture[line:] = mirror * (0.72 - 0.25 * depth) + deep * (0.28 + 0.25 * depth)
    below = canvas.cover(canvas.y - np.float32(line / canvas.height))
    x, _, radius = _light_at(canvas, scene, horizon)
    across = np.abs(canvas.x - np.float32(x))
    down = canvas.y - np.float32(horizon)
    dashes = np.cos(np.sqrt(np.maximum(down, 0)) * np.float32(2 * np.pi * 11))
    path = canvas.cover((np.float32(radius * 0.55) + down * np.float32(0.25)) * (0.6 + 0.4 * dashes) - across)
    canvas.fill(path * below * (dashes > -0.2), rgb(LIGHT[scene.time]), 0.55)
    ripples = np.float32(0.035 * max(0.0, 1 + detail) + 0.03 * max(0.0, detail)) * dashes
    canvas.shade((ripples * below).astype(np.float32))


def _ridge(canvas: Canvas, base: float, size: float, phase: float, waves: float) -> Array:
    """A smooth skyline: heights y per column, (W,)."""
    turn = 2 * np.pi * (canvas.columns / canvas.aspect * waves + phase)
    return (base + size * np.sin(turn) + 0.3 * size * np.sin(2.1 * turn + 1.0)).astype(np.float32)


def _land(canvas: Canvas, scene: Scene, detail: float) -> Array:
    """The nearer layers, far to near; returns the front ridge that things stand on, (W,)."""
    first, second, size, third = scene.waves
    layers = {
        "mountains": [(0.66, 0.035, 0.42, first, 1.1), (0.80, 0.04, 0.95, second, 0.8)],
        "hills": [
            (0.50, 0.05, 0.10, first, 1.2),
            (0.60, 0.055, 0.38, third, 1.0),
            (0.70, 0.05, 0.66, (first + 0.45) % 1, 0.9),
            (0.82, 0.045, 0.98, second, 0.8),
        ],
        "lake": [(0.87, 0.03, 0.97, second, 0.7)],
        "sea": [(0.90, 0.03, 0.97, second, 0.6)],
    }[scene.place]
    front = np.full(canvas.width, 1.0, dtype=np.float32)
    for base, swing, near, phase, waves in layers:
        front = _ridge(canvas, base, swing * (0.6 + 0.8 * size), phase, waves)
        coverage = canvas.below(front)
        colour = _land_colour(scene, near)
        depth = np.clip((canvas.y - front[None, :]) / np.float32(0.22), 0, 1)[..., None]
        canvas.fill(coverage, colour * (np.float32(1.08) - np.float32(0.22) * depth))
        _hatch(canvas, front, coverage, detail, 0.055 + 0.02 * near)
    return front


def _things(canvas: Canvas, scene: Scene, bank: Array, horizon: float, detail: float) -> None:
    """The one thing of the caption: pines or a house on the front ridge, or a boat on the water."""
    x = canvas.aspect * (0.2 + 0.6 * scene.thing_x)
    shadow = rgb(SHADOW[scene.time])
    ground = float(bank[min(canvas.width - 1, int(x * canvas.height))])
    if scene.thing == "pines":
        green = {"summer": "2f7a4a", "autumn": "a8502a", "winter": "5f8a86"}[scene.season]
        needles = mix((rgb(green) * rgb(TINT[scene.time])).astype(np.float32), shadow, 0.45)
        snow = mix(rgb("ffffff"), rgb(TINT[scene.time]), 0.55) if scene.season == "winter" else None
        draw_pines(canvas, x, bank, needles, shadow, snow, detail)
    elif scene.thing == "house":
        wall = mix(
            (rgb("f3e3c6") * mix(rgb("ffffff"), rgb(TINT[scene.time]), 0.85)).astype(np.float32), shadow, 0.1
        )
        roof_code = "f4f7fb" if scene.season == "winter" else "b5472f"
        roof = mix(
            (rgb(roof_code) * mix(rgb("ffffff"), rgb(TINT[scene.time]), 0.85)).astype(np.float32), shadow, 0.1
        )
        window = rgb("4a6478") if scene.time == "day" else rgb("ffd25e")
        draw_house(canvas, x, ground + 0.03, (wall, roof, window), detail)
    elif scene.thing == "boat":
        sail = mix(
            (rgb("fff4e2") * mix(rgb("ffffff"), rgb(TINT[scene.time]), 0.5)).astype(np.float32), shadow, 0.03
        )
        draw_boat(canvas, x, horizon + 0.12, sail, mix(rgb("8a3b2c"), shadow, 0.5), detail)
