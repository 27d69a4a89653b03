"""The chart of a LoRA's energy, measured in its pixels."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

ATTENTION, FEED_FORWARD, RELATIVE = (0x56, 0xB4, 0xE9), (0x00, 0x9E, 0x73), (0x5B, 0x64, 0x78)


def _spectrum(core: ModuleType, shares: dict[tuple[str, str], float], weight: float | None = None) -> Any:
    inspect = core.reports
    parts = tuple(inspect.Energy(*place, 1, share, share, weight) for place, share in shares.items())
    return inspect.Spectrum("Flux.1", parts, weight is not None)


def _chart(pack: ModuleType, spectrum: Any, title: str = "ink.safetensors") -> np.ndarray:
    return np.asarray(pack.nodes.drawing.energy_chart.energy_chart(spectrum, title))


def _rows_of(chart: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """How many pixels of a colour each column has below the legend."""
    return (chart[130:] == colour).all(axis=-1).sum(axis=0)


def test_bars_are_as_high_as_their_shares(pack: ModuleType, core: ModuleType) -> None:
    shares = {("D00", "img.attn.qkv"): 0.5, ("D00", "img.ff.up"): 0.25, ("S00", "attn.qkv"): 0.25}
    chart = _chart(pack, _spectrum(core, shares))
    attention, feed_forward = _rows_of(chart, ATTENTION), _rows_of(chart, FEED_FORWARD)
    heights = sorted(set(attention[attention > 0]))
    assert heights[1] == pytest.approx(2 * heights[0], abs=2)
    assert feed_forward.max() == pytest.approx(heights[0], abs=2)


def test_with_a_model_a_second_plot_has_the_ratios(pack: ModuleType, core: ModuleType) -> None:
    shares = {("D00", "attn.q"): 0.75, ("S00", "attn.q"): 0.25}
    alone, connected = (_chart(pack, _spectrum(core, shares, weight)) for weight in (None, 100.0))
    assert _rows_of(alone, RELATIVE).max() == 0
    heights = sorted(set(_rows_of(connected, RELATIVE)) - {0})
    assert heights[1] == pytest.approx(heights[0] * 3**0.5, abs=2)
    assert connected.shape[0] > alone.shape[0]


@pytest.mark.parametrize("count", [1, 21, 70, 120])
def test_no_two_bars_and_no_two_labels_touch(pack: ModuleType, core: ModuleType, count: int) -> None:
    chart = _chart(pack, _spectrum(core, {(f"S{n:02}", "attn.q"): 1 / count for n in range(count)}))
    bars = _rows_of(chart, ATTENTION) > 0
    assert int((np.diff(bars.astype(int)) == 1).sum()) == count
    ink = (chart[-78:] < 128).all(axis=-1).any(axis=0)
    gaps = np.diff(np.flatnonzero(ink)) - 1
    assert int((gaps > 6).sum()) == count - 1, "letters of a label stand closer"
    assert not ink[:90].any()
    assert not ink[-10:].any()


@pytest.mark.parametrize("title", ["ink.safetensors", "a" * 400, ""])
def test_a_long_name_stays_in_the_picture(pack: ModuleType, core: ModuleType, title: str) -> None:
    chart = _chart(pack, _spectrum(core, {("D00", "attn.q"): 1.0}), title)
    assert (chart[:, -30:] == 255).all()


def test_a_file_with_nothing_to_measure_says_so(pack: ModuleType, core: ModuleType) -> None:
    chart = _chart(pack, _spectrum(core, {}))
    assert (chart[180:230] < 200).any()
