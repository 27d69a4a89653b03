"""What is measured on the pictures of a sweep, whatever a sampling has made of them."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from lora_core.axes import Sweep, read_axes
from lora_core.errors import SweepMismatch
from lora_core.measures.measurements import as_json, measure_sweep
from lora_core.measures.metrics import measure

THREE = Sweep(read_axes("<lora:ink> -1:1:3"))


def pictures(count: int, height: int = 8, width: int = 8) -> np.ndarray:
    return np.random.default_rng(0).random((count, height, width, 3), dtype=np.float32)


def test_latents_stand_within_their_strength_and_frames_within_their_latent() -> None:
    shown = pictures(12)
    measured = measure_sweep(THREE, shown, 2)
    assert [(one.strengths, one.latent, one.index) for one in measured] == [
        ((strength,), latent, 2 * place)
        for place, (strength, latent) in enumerate((s, i) for s in (-1, 0, 1) for i in (0, 1))
    ]
    assert [one.measures for one in measured] == [measure(shown[i : i + 2]) for i in range(0, 12, 2)]


@pytest.mark.parametrize("count", [0, 2, 4])
def test_a_number_of_pictures_that_cannot_be_is_refused(count: int) -> None:
    with pytest.raises(SweepMismatch, match=f"{count} pictures for a sweep of 3 strengths times 1 latent"):
        measure_sweep(THREE, pictures(count), 1)


def test_pictures_are_measured_as_files_show_them() -> None:
    """Black where a model made no number, cut off beside 0…1, without transparency."""
    shown = pictures(3)
    shown[0, :2] = np.nan
    shown[1, :2] = np.inf
    shown[2, :2] = -0.5
    plain = shown.copy()
    plain[0, :2], plain[1, :2], plain[2, :2] = 0, 1, 0
    clear = np.concatenate([shown, np.full((3, 8, 8, 1), 0.3, np.float32)], axis=-1)
    wanted = [measure(one) for one in plain]
    assert [one.measures for one in measure_sweep(THREE, shown, 1)] == wanted
    assert [one.measures for one in measure_sweep(THREE, clear, 1)] == wanted


def test_a_film_is_measured_in_little_more_memory_than_it_has() -> None:
    def peak(count: int) -> int:
        film = pictures(3 * count, 64, 64)
        tracemalloc.start()
        try:
            measure_sweep(THREE, film, 1)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    of_a_film = 16 * 64 * 64 * 3 * 4
    assert peak(16) < peak(1) + 2 * of_a_film


def test_the_json_says_what_its_numbers_are() -> None:
    found = as_json(THREE, measure_sweep(THREE, pictures(3), 1), "all 3 strengths in one pass")
    assert found["axes"] == [{"lora": "ink", "values": [-1, 0, 1]}]
    assert [one["strengths"] for one in found["pictures"]] == [[-1], [0], [1]]
    assert found["sampling"] == "all 3 strengths in one pass"
    assert set(found["measures"]) == set(found["pictures"][0]) - {"strengths", "latent"}
