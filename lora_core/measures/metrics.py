"""Three numbers a person sees in a picture: how light it is, how colourful, how much fine detail it has.

A picture is a float array (H, W, 3), or several as (N, H, W, 3), sRGB-encoded, 0…1. Several pictures give the
mean over all of them (for `detail` the root mean square over all of them).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

REC709 = np.array([0.2126, 0.7152, 0.0722])
DETAIL_SIGMA_PX = 1.5

# Ottosson, "A perceptual color space for image processing", 2020: linear sRGB to cone response, and its
# cube root to L, a, b.
CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


@dataclass(frozen=True)
class Measures:
    """The measures of one picture (or their mean over several); units and ranges as in the functions."""

    luma: float
    saturation: float
    detail: float
    hsv_saturation: float

    def as_json(self) -> dict[str, float]:
        """The numbers by name, rounded to what a person or a test can use."""
        return {name: round(value, 6) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Scale:
    """What one measure's numbers mean: for JSON, tooltips and the axes of a chart."""

    unit: str
    lowest: float
    highest: float
    source: str


SCALES: Mapping[str, Scale] = {
    "luma": Scale("gamma-encoded luma, not linear light", 0, 1, "ITU-R BT.709-6, 3.2; mean"),
    "saturation": Scale("OKLab chroma", 0, 0.3225, "Ottosson 2020; mean"),
    "detail": Scale("luma, after a Gaussian blur of 1.5 px is taken away", 0, 1, "root mean square"),
    "hsv_saturation": Scale("(max - min) / max of R, G, B", 0, 1, "Smith 1978; mean"),
}


def measure(picture: NDArray[Any]) -> Measures:
    """All measures of one picture, or of several, in the memory that one takes."""
    if picture.ndim != 4 or len(picture) == 0:
        checked = _checked(picture)
        return Measures(luma(checked), saturation(checked), detail(checked), hsv_saturation(checked))
    each = np.array([astuple(measure(one)) for one in picture])
    grey, chroma, _, hsv = (float(mean) for mean in each.mean(axis=0))
    return Measures(grey, chroma, float(np.sqrt(np.mean(each[:, 2] ** 2))), hsv)


def luma(picture: NDArray[Any]) -> float:
    """Mean Rec. 709 luma (ITU-R BT.709-6, 3.2); no unit, 0 black … 1 white.

    Of the gamma-encoded values, not of linear light: nearer to how light a picture looks.
    """
    return float((_checked(picture) @ REC709).mean())


def saturation(picture: NDArray[Any]) -> float:
    """Mean OKLab chroma (Ottosson 2020); no unit, 0 grey … 0.323 (pure sRGB magenta, the most there is)."""
    lab = oklab(picture)
    return float(np.hypot(lab[..., 1], lab[..., 2]).mean())


def hsv_saturation(picture: NDArray[Any]) -> float:
    """Mean S of HSV (Smith 1978), (max - min) / max and 0 for black; no unit, 0 … 1."""
    checked = _checked(picture)
    most = checked.max(axis=-1)
    spread = most - checked.min(axis=-1)
    return float(np.divide(spread, most, out=np.zeros_like(spread), where=most > 0).mean())


def detail(picture: NDArray[Any]) -> float:
    """Root mean square of luma minus its Gaussian blur; unit: luma, 0 flat … below 1.

    The blur has a standard deviation of 1.5 px (so the measure depends on the picture's size in pixels), is
    cut off after 6 px, and sees the picture mirrored at its edges, the edge pixel repeated.
    """
    grey = _checked(picture) @ REC709
    return float(np.sqrt(np.mean((grey - blur(grey, DETAIL_SIGMA_PX)) ** 2)))


def oklab(picture: NDArray[Any]) -> Array:
    """OKLab (Ottosson 2020) of an sRGB-encoded picture: (..., 3) as L 0…1, a and b about -0.3…0.3."""
    encoded = _checked(picture)
    # IEC 61966-2-1: linear below 0.04045, a power of 2.4 above.
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    lab: Array = np.cbrt(linear @ CONES.T) @ LAB.T
    return lab


def blur(grey: Array, sigma_px: float) -> Array:
    """Gaussian blur of the last two axes, (..., H, W), cut off after four sigmas, edges mirrored."""
    reach = int(4 * sigma_px + 0.5)
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma_px) ** 2)
    taps /= taps.sum()
    for axis in (-2, -1):
        pad = [(0, 0)] * grey.ndim
        pad[axis] = (reach, reach)
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(grey, pad, mode="symmetric"), taps.size, axis=axis
        )
        grey = windows @ taps
    return grey


def _checked(picture: NDArray[Any]) -> Array:
    """The picture as float64; refuses other shapes, integers, and values that are not 0…1."""
    if picture.ndim not in (3, 4) or picture.shape[-1] != 3 or picture.size == 0:
        raise ValueError(f"a picture is (H, W, 3) or (N, H, W, 3) and not empty, found {picture.shape}")
    if not np.issubdtype(picture.dtype, np.floating):
        raise ValueError(f"a picture holds floats 0…1, found {picture.dtype}; divide 8-bit values by 255")
    checked = picture.astype(np.float64)
    if not (checked.min() >= 0 and checked.max() <= 1):
        raise ValueError(f"a picture's values are 0…1, found {checked.min():.4g}…{checked.max():.4g}")
    return checked
