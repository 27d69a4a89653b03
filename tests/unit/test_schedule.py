"""Curves and steps: their values at every place, what they refuse, and an entry's share of its strength."""

from __future__ import annotations

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lora_core.errors import BadMode, BadRow, BadStackText
from lora_core.grammar import scheduled, with_times
from lora_core.live import timed
from lora_core.schedule import MOST_POINTS, Moment, Steps, StrengthCurve
from lora_core.stack import Entry

_POINTS = st.lists(
    st.tuples(st.integers(0, 10**6).map(lambda place: place / 10**6), st.floats(-100, 100)),
    min_size=1,
    max_size=9,
    unique_by=lambda point: point[0],
).map(sorted)


@given(_POINTS, st.floats(0, 1))
def test_a_curve_is_straight_between_its_points_and_held_outside(
    points: list[tuple[float, float]], place: float
) -> None:
    places, strengths = zip(*points, strict=True)
    wanted = numpy.interp(place, places, strengths)
    assert StrengthCurve(tuple(points)).at(place) == pytest.approx(wanted, rel=1e-6, abs=1e-6)


def test_the_first_of_two_points_at_one_place_ends_what_came_before() -> None:
    curve = StrengthCurve(((0.0, 1.0), (0.5, 1.0), (0.5, 0.0), (1.0, -2.0)))
    assert [curve.at(place) for place in (0.0, 0.5, 0.5000001, 0.75, 1.0)] == [
        1.0,
        1.0,
        pytest.approx(0, abs=1e-6),
        -1.0,
        -2.0,
    ]
    assert curve.peak == -2.0
    assert str(curve) == "1@0,1@0.5,0@0.5,-2@1"
    assert curve.scaled(-0.5).points[-1] == (1.0, 1.0)


@pytest.mark.parametrize(
    ("points", "problem"),
    [
        ((), "1 to 100 points"),
        (((0.5, 1.0),) * (MOST_POINTS + 1), "1 to 100 points"),
        (((1.5, 1.0),), "within 0 and 1"),
        (((float("nan"), 1.0),), "within 0 and 1"),
        (((0.5, 1.0), (0.2, 1.0)), "in the order"),
        (((0.5, 1.0),) * 3, "two points"),
        (((0.5, float("inf")),), "finite"),
    ],
)
def test_what_is_no_curve(points: tuple[tuple[float, float], ...], problem: str) -> None:
    with pytest.raises(BadRow, match=problem):
        StrengthCurve(points)


def test_steps() -> None:
    assert [step in Steps(2, 3) for step in (1, 2, 3, 4)] == [False, True, True, False]
    assert 10**9 in Steps(5)
    assert [str(steps) for steps in (Steps(2, 3), Steps(3, 3), Steps(5))] == ["2-3", "3", "5-"]
    for first, last in ((0, 1), (3, 2)):
        with pytest.raises(BadRow):
            Steps(first, last)


def test_an_entrys_share_is_its_window_its_steps_and_its_curve_together() -> None:
    entry = Entry("ink", 2.0, start=0.2, steps=Steps(3), curve=StrengthCurve(((0.0, 0.0), (1.0, 2.0))))
    assert entry.share_at(Moment(0.1, 3)) == 0
    assert entry.share_at(Moment(0.5, 2)) == 0
    assert entry.share_at(Moment(0.5, 3)) == 0.5
    with pytest.raises(BadMode, match="Use start and stop"):
        entry.share_at(Moment(0.5))
    assert entry.when == "from 0.2 to 1 of the sampling, from step 3, along 0@0,2@1"


def test_a_curve_at_0_has_no_effect_and_divides_nothing() -> None:
    entry = Entry("ink", 0.0, 0.0, curve=StrengthCurve(((0.0, 0.0), (1.0, 0.0))))
    assert entry.why_idle == "at 0"
    assert timed(torch.tensor([0.0]), [entry])(Moment(0.5)).tolist() == [0.0]  # type: ignore[operator]


def test_strengths_of_rows_keep_the_shape_of_the_curve() -> None:
    entries = [Entry("a", 1.0, curve=StrengthCurve(((0.0, 0.0), (1.0, 1.0)))), Entry("b", 1.0)]
    at = timed(torch.tensor([[1.0, -2.0, 0.5], [1.0, 1.0, 3.0]]), entries)
    assert callable(at)
    assert at(Moment(0.25)).tolist() == [[0.25, -0.5, 0.125], [1.0, 1.0, 3.0]]


def test_a_scaled_entry_scales_its_curve() -> None:
    entry = Entry(
        "ink", 0.8, 0.8, curve=StrengthCurve(((0.0, 0.1), (1.0, 0.8))), is_clip_on_curve=True
    ).scaled(-3)
    assert entry.curve == StrengthCurve(((0.0, 0.1 * -3), (1.0, 0.8 * -3)))
    assert entry.strength_model == entry.strength_clip == 0.8 * -3


def test_a_fader_moves_a_whole_curve() -> None:
    entry = with_times(Entry("ink", 0.5, 0.5), curve="0@0,1@1", steps="2-", is_clip_on_curve=True)
    assert (entry.curve, entry.steps) == (StrengthCurve(((0.0, 0.0), (1.0, 0.5))), Steps(2))
    for curve, steps in (("0@0,1", ""), ("", "x"), ("1@2", "")):
        with pytest.raises(BadRow):
            with_times(Entry("ink"), curve, steps)


@pytest.mark.parametrize(
    ("schedule", "curve", "steps"),
    [
        ("", None, None),
        ("  ", None, None),
        ("0@0, 1@0.5", StrengthCurve(((0.0, 0.0), (0.5, -2.0))), None),
        ("steps=2-3", None, Steps(2, 3)),
        ("1@0,0@1 : Steps = 4-", StrengthCurve(((0.0, -2.0), (1.0, 0.0))), Steps(4)),
    ],
)
def test_a_schedule_multiplies_the_strength_for_the_model(
    schedule: str, curve: StrengthCurve | None, steps: Steps | None
) -> None:
    made = scheduled(Entry("ink", -2.0, 0.5), schedule)
    assert (made.strength_model, made.strength_clip, made.curve, made.steps) == (-2.0, 0.5, curve, steps)


@pytest.mark.parametrize(
    ("schedule", "column"),
    [("0.5", 1), ("0@0,1@2", 7), ("stops=1", 1), ("steps=1-2:0@x", 13), ("0@0:1", 5), (":", 1)],
)
def test_a_bad_schedule_says_where(schedule: str, column: int) -> None:
    with pytest.raises(BadStackText) as caught:
        scheduled(Entry("ink"), schedule)
    assert (caught.value.line, caught.value.column) == (1, column)


@pytest.mark.parametrize("clip", [0.5, 1.0])
def test_an_entry_and_its_curve_agree(clip: float) -> None:
    curve = StrengthCurve(((0.0, 0.0), (1.0, 1.0)))
    with pytest.raises(BadRow, match="peak"):
        Entry("ink", 0.5, clip, curve=curve)
    with pytest.raises(BadRow, match="peak"):
        Entry("ink", 1.0, 0.5, curve=curve, is_clip_on_curve=True)
