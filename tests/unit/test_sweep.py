"""Sweeps as text, and the rows they make."""

from __future__ import annotations

import pytest

from lora_core.axes import Axis, Sweep, read_axes, read_values, strength_label
from lora_core.errors import BadStackText, BadSweepText
from lora_core.stack import Entry

DETAIL = Entry("sliders/add_detail.safetensors")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("-2:2:5", (-2, -1, 0, 1, 2)),
        ("2:-2:3", (2, 0, -2)),
        ("-1, 0, 1", (-1, 0, 1)),
        ("-1 0 1", (-1, 0, 1)),
        (" 0.5 ", (0.5,)),
        ("0:1:3, 2,-3.5", (0, 0.5, 1, 2, -3.5)),
        ("1,1", (1, 1)),
        ("0:0.3:4", (0, 0.1, 0.2, 0.3)),
        ("-0", (0,)),
        ("1e1 .5 2.", (10, 0.5, 2)),
    ],
)
def test_values_read_as_written(text: str, values: tuple[float, ...]) -> None:
    assert read_values(text) == values


def test_a_zero_has_no_sign() -> None:
    assert [str(value) for value in read_values("-0, -1:1:3")] == ["0.0", "-1.0", "0.0", "1.0"]


@pytest.mark.parametrize(
    ("text", "column", "found", "expected"),
    [
        ("", 1, "nothing", "-2:2:5"),
        ("  ", 1, "nothing", "-2:2:5"),
        ("1, two", 4, "'two'", "a number"),
        ("1:2", 1, "'1:2'", "from:to:count"),
        ("0:1:2:3", 1, "'0:1:2:3'", "from:to:count"),
        ("0:x:3", 3, "'x'", "a number"),
        ("0::3", 3, "nothing", "a number"),
        ("0, 0:1:1", 8, "'1'", "a count from 2"),
        ("0:1:2.5", 5, "'2.5'", "a count from 2"),
        ("0:1:²", 5, "'²'", "a count from 2"),
        ("0:1:500", 5, "'500'", "to 99"),
        ("0:1:99 2", 8, "100 values", "at most 99"),
        ("1, 101", 4, "'101'", "-100 to 100"),
        ("nan", 1, "'nan'", "a number"),
        ("1e999", 1, "'1e999'", "-100 to 100"),
    ],
)
def test_bad_values_name_their_place(text: str, column: int, found: str, expected: str) -> None:
    with pytest.raises(BadSweepText) as caught:
        read_values(text)
    assert (caught.value.line, caught.value.column, caught.value.found) == (1, column, found)
    assert expected in caught.value.expected


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_values_over_several_lines_name_the_line(end: str) -> None:
    assert read_values(f"-1{end}0, 1") == (-1, 0, 1)
    with pytest.raises(BadSweepText, match="line 3, column 4: found 'x', expected a number"):
        read_values(f"-1{end}0{end}1, x")


def test_axes_read_as_written() -> None:
    axes = read_axes("# a remark\n<lora:add_detail> -1:1:3\n\n  <lora:ink:unet=1:te=0.5>0, 2\n")
    assert axes == (
        Axis(Entry("add_detail"), (-1, 0, 1)),
        Axis(Entry("ink", strength_clip=0.5), (0, 2)),
    )


@pytest.mark.parametrize(
    ("text", "line", "column", "found"),
    [
        ("", 1, 1, "nothing"),
        ("# <lora:a> 1", 1, 1, "nothing"),
        ("\nadd_detail -2:2:5", 2, 1, "'add_detail'"),
        ("<lora:a> 1\n<lora:b>", 2, 9, "nothing"),
        ("<lora:a> 1\n<lora:b:0.5 1 ", 2, 14, "nothing"),
        ("<lora:a> 1\n <lora:b> 1, x", 2, 14, "'x'"),
        ("<lora:a> 1\n<lora:b> 1\n<lora:c> 1", 3, 1, "a third axis"),
    ],
)
def test_bad_axes_name_their_place(text: str, line: int, column: int, found: str) -> None:
    with pytest.raises(BadSweepText) as caught:
        read_axes(text)
    assert (caught.value.line, caught.value.column, caught.value.found) == (line, column, found)


def test_a_bad_tag_is_the_grammars_error_at_its_place() -> None:
    with pytest.raises(BadStackText) as caught:
        read_axes("<lora:a> 1\n<lora:b:much> 1")
    assert (caught.value.line, caught.value.column) == (2, 9)


def test_one_axis_has_its_rows_in_order() -> None:
    sweep = Sweep((Axis(DETAIL, (-1, 0, 1)),))
    assert sweep.rows == ((-1,), (0,), (1,))
    assert (sweep.columns, sweep.lines) == (3, 1)


def test_the_first_axis_runs_fastest() -> None:
    sweep = Sweep((Axis(DETAIL, (-1, 1)), Axis(Entry("ink"), (0, 5, 6))))
    assert sweep.rows == ((-1, 0), (1, 0), (-1, 5), (1, 5), (-1, 6), (1, 6))
    assert (sweep.columns, sweep.lines) == (2, 3)


def test_the_rows_of_a_large_grid_are_made_once() -> None:
    """Each row asks for them: made anew, 99 by 99 of them would be a hundred million."""
    values = tuple(float(i) for i in range(99))
    sweep = Sweep((Axis(DETAIL, values), Axis(Entry("ink"), values)))
    assert sweep.rows is sweep.rows
    assert len(sweep.clip_groups()) == 99 * 99


def test_a_tags_strengths_scale_the_values() -> None:
    sweep = Sweep((Axis(Entry("ink", strength_model=2, strength_clip=-0.5), (-1, 3)),))
    assert sweep.swept(1) == (Entry("ink", strength_model=6, strength_clip=-1.5),)


def test_rows_share_a_text_encoder_where_its_strengths_are_equal() -> None:
    model_only = Axis(Entry("ink", strength_clip=0), (-1, 0, 1))
    assert Sweep((model_only,)).clip_groups() == {(0.0,): (0, 1, 2)}
    both = Sweep((model_only, Axis(DETAIL, (0.5, 1))))
    assert both.clip_groups() == {(0.0, 0.5): (0, 1, 2), (0.0, 1.0): (3, 4, 5)}


def test_an_axis_is_called_by_the_files_stem() -> None:
    assert Axis(DETAIL, (1,)).name == "add_detail"
    assert Axis(Entry("a\\b/ink v1.5"), (1,)).name == "ink v1.5"


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (1.0, "+1"), (-0.5, "-0.5"), (0.1 + 0.2, "+0.3")])
def test_labels_are_short(value: float, text: str) -> None:
    assert strength_label(value) == text


@pytest.mark.parametrize("count", [0, 3])
def test_a_sweep_has_one_or_two_axes(count: int) -> None:
    with pytest.raises(ValueError, match="axes"):
        Sweep((Axis(DETAIL, (1,)),) * count)
