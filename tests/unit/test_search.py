"""The order of found names is the one a person would expect."""

from __future__ import annotations

import time

import pytest

from lora_core.library.search import Query


def _order(query: str, names: list[str]) -> list[str]:
    asked = Query(query)
    scored = [(asked.score([(name.casefold(), 1.0)]), name) for name in names]
    return [name for score, name in sorted(scored, key=lambda pair: -pair[0]) if score > 0]


def test_a_whole_word_comes_before_a_beginning_a_middle_and_scattered_letters() -> None:
    names = ["pa_i_n_tk", "thinking", "inkwell", "my ink"]
    assert _order("ink", names) == ["my ink", "inkwell", "thinking", "pa_i_n_tk"]


def test_of_equal_finds_the_shorter_name_comes_first() -> None:
    assert _order("ink", ["ink_wash_portrait", "ink_wash"]) == ["ink_wash", "ink_wash_portrait"]


@pytest.mark.parametrize(
    ("query", "name"),
    [("INK", "styles/ink"), ("detl", "add_detail"), ("wash ink", "ink_wash"), ("墨", "水墨")],
)
def test_found(query: str, name: str) -> None:
    assert _order(query, [name]) == [name]


@pytest.mark.parametrize(
    ("query", "name"), [("inq", "ink"), ("ink wax", "ink_wash"), ("ab", "a" + "x" * 20 + "b")]
)
def test_not_found(query: str, name: str) -> None:
    assert _order(query, [name]) == []


def test_a_term_may_be_found_in_any_field_and_the_weight_decides() -> None:
    query = Query("ink girl")
    assert (
        query.score([("ink", 1.0), ("1girl, girl", 0.5)])
        > query.score([("ink", 0.5), ("1girl, girl", 0.5)])
        > 0
    )


def test_nothing_typed_is_no_query() -> None:
    assert Query("  ").is_empty


def test_five_thousand_names_are_searched_while_a_finger_rises() -> None:
    fields = [[(f"folder_{i % 50}/some_style_number_{i}_v{i % 7}".casefold(), 1.0)] for i in range(5000)]
    query = Query("sty numb 42")
    start = time.perf_counter()
    found = [score for score in map(query.score, fields) if score > 0]
    assert time.perf_counter() - start < 0.5
    assert found


def test_fields_that_can_do_no_better_change_no_score() -> None:
    """They are not looked into once a weightier one has been found in."""
    for term in ("ink", "in", "ik", "portrait"):
        fields = [("ink_wash", 1.0), ("a portrait in ink", 0.9), ("styles/ink_wash", 0.6), ("flux", 0.4)]
        best = max(Query(term).score([field]) for field in fields)
        assert Query(term).score(fields) == best
        assert Query(term).score(fields[::-1]) == best
