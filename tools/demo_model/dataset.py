"""Paint the training pictures once and keep them as arrays.

    python -m tools.demo_model.dataset CACHE_DIR [--part K --parts N]

CACHE_DIR gets, per part K, `normal_K.npy` (uint8, (n, 128, 128, 3)) with `words_K.npy` (bool, (n, words):
which word of VOCABULARY the caption has), and `detail_S_K.npy` for S in -2, -1, 0, 1, 2: the same scenes at
five amounts of detail, in the same order.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .paint import Array
from .scenes import VOCABULARY, Scene, draw, sample_scene

SEED = 20251124
NORMAL_COUNT = 24_000
DETAIL_COUNT = 2_400
DETAILS = (-2, -1, 0, 1, 2)


def to_bytes(picture: Array) -> NDArray[np.uint8]:
    """The picture in 8 bits a channel."""
    return (picture * 255 + 0.5).astype(np.uint8)


def caption_words(scene: Scene) -> NDArray[np.bool_]:
    """Which words of VOCABULARY the scene's caption has, (words,)."""
    words = scene.caption.split()
    return np.array([word in words for word in VOCABULARY])


def paint_part(folder: Path, part: int, parts: int) -> None:
    """Paint one of `parts` equal shares of all pictures."""
    rng = np.random.default_rng([SEED, part])
    scenes = [sample_scene(rng) for _ in range(NORMAL_COUNT // parts)]
    np.save(folder / f"words_{part}.npy", np.stack([caption_words(scene) for scene in scenes]))
    np.save(folder / f"normal_{part}.npy", np.stack([to_bytes(draw(scene)) for scene in scenes]))
    few = scenes[: DETAIL_COUNT // parts]
    for detail in DETAILS:
        pictures = np.stack([to_bytes(draw(scene, float(detail))) for scene in few])
        np.save(folder / f"detail_{detail}_{part}.npy", pictures)


def load(folder: Path, name: str) -> NDArray[np.uint8]:
    """All parts of `normal`, `words` or `detail_S`, joined, in order of their part number."""
    files = sorted(folder.glob(f"{name}_?.npy"))
    if not files:
        raise FileNotFoundError(f"no {name}_*.npy in {folder}; run tools.demo_model.dataset first")
    return np.concatenate([np.load(file) for file in files])


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--part", type=int, default=None, help="paint only this share")
    parser.add_argument("--parts", type=int, default=2)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for part in range(options.parts) if options.part is None else [options.part]:
        paint_part(options.folder, part, options.parts)


if __name__ == "__main__":
    main()
