"""Lighter, darker, more colourful, greyer: the two colour changes that two of the sliders learn.

Both work in OKLab (Ottosson 2020), so that lightness changes keep chroma and chroma changes keep luma, as far
as the sRGB cube allows. Pictures are (..., H, W, 3), sRGB-encoded, 0…1.
"""

from __future__ import annotations

import numpy as np

from lora_core.measures.metrics import CONES, LAB, REC709, oklab

from .paint import Array

FROM_LAB = np.linalg.inv(LAB)
FROM_CONES = np.linalg.inv(CONES)


def from_oklab(lab: Array) -> Array:
    """sRGB-encoded colours of OKLab colours, (..., 3); values outside 0…1 are kept."""
    linear = ((lab @ FROM_LAB.T.astype(np.float32)) ** 3) @ FROM_CONES.T.astype(np.float32)
    curved = 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, linear * 12.92, curved).astype(np.float32)


def change_brightness(picture: Array, strength: float) -> Array:
    """Lighter (positive) or darker (negative): OKLab L to the power 2^(-0.4 strength), chroma kept."""
    lab = oklab(picture).astype(np.float32)
    lab[..., 0] = np.clip(lab[..., 0], 0, 1) ** np.float32(2 ** (-0.4 * strength))
    return np.clip(from_oklab(lab), 0, 1)


def change_saturation(picture: Array, strength: float) -> Array:
    """More (positive) or less colourful (negative): OKLab chroma times 1 + 0.4 strength, luma kept."""
    lab = oklab(picture).astype(np.float32)
    lab[..., 1:] *= np.float32(1 + 0.4 * strength)
    changed = from_oklab(lab)
    weights = REC709.astype(np.float32)
    for _ in range(3):
        changed = np.clip(changed + (picture @ weights - changed @ weights)[..., None], 0, 1)
    return changed
