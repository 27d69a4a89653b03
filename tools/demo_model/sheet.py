"""Contact sheets: pictures side by side in one PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from .dataset import to_bytes
from .paint import Array

GAP_PX = 4


def save_sheet(pictures: list[Array], columns: int, path: Path, scale: int = 1) -> None:
    """Write pictures (H, W, 3) of one size row by row on white; each pixel as `scale` x `scale`."""
    height, width = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    sheet = np.full(
        (rows * (height + GAP_PX) + GAP_PX, columns * (width + GAP_PX) + GAP_PX, 3), 255, dtype=np.uint8
    )
    for i, picture in enumerate(pictures):
        row, column = divmod(i, columns)
        top, left = GAP_PX + row * (height + GAP_PX), GAP_PX + column * (width + GAP_PX)
        sheet[top : top + height, left : left + width] = to_bytes(np.clip(picture, 0, 1))
    image = Image.fromarray(sheet)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST).save(path)
