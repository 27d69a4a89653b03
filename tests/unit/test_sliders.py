"""Finding slider files: by name, by hash, by what is inside, and what is said when that fails."""

from __future__ import annotations

import re

import pytest

from lora_core.errors import UnresolvedLora
from lora_core.library.sliders import SLIDERS, Traces, candidates, choose, known_sliders

NOTHING = Traces((), ())
# Published at https://civitai.com/models/58390, version 62833, and /122359, version 135867.
DETAIL_AUTOV3 = "7c6bad76eb54"
DETAIL_XL_AUTOV2 = "0d9bd1b873"


def unread(name: str) -> Traces:
    raise AssertionError(f"{name} was opened though its name was enough")


@pytest.mark.parametrize(
    "name",
    ["add_detail.safetensors", "a/b/Add-Detail.safetensors", "w\\add_detail_xl.safetensors", "add detail.pt"],
)
def test_a_known_name_is_enough(name: str) -> None:
    assert candidates("detail", ["ink.safetensors", name, "x/add_detail_v2.safetensors"], unread) == [name]


def test_a_version_number_is_no_extension() -> None:
    assert candidates("detail", ["add_detail.v2.safetensors"], lambda _: NOTHING) == []


@pytest.mark.parametrize("known", [DETAIL_AUTOV3, DETAIL_XL_AUTOV2])
def test_a_renamed_file_is_known_by_its_hash(known: str) -> None:
    traces = {"x.safetensors": Traces((), (known + "0" * 52,)), "y.safetensors": Traces(("add_detail",), ())}
    assert candidates("detail", [*traces], traces.__getitem__) == ["x.safetensors"]


def test_a_renamed_file_is_known_by_the_names_inside() -> None:
    traces = {"x.safetensors": Traces(("Detail Tweaker XL",), ("7c6b",)), "y.safetensors": NOTHING}
    assert candidates("detail", [*traces], traces.__getitem__) == ["x.safetensors"]


def test_one_candidate_is_taken_whatever_the_model() -> None:
    assert choose("detail", ["a"], None) == "a"
    assert choose("detail", ["a"], lambda _: False) == "a"


def test_of_several_the_one_that_fits_the_model() -> None:
    assert choose("detail", ["sd15", "sdxl"], lambda name: name == "sdxl") == "sdxl"


@pytest.mark.parametrize(
    ("fits", "message"),
    [
        (None, "Connect a model"),
        (lambda _: True, "More than one fits"),
        (lambda _: False, "none of the detail sliders here fits"),
    ],
)
def test_several_are_listed(fits: object, message: str) -> None:
    with pytest.raises(UnresolvedLora, match=message) as caught:
        choose("detail", ["one", "two"], fits)  # type: ignore[arg-type]
    assert caught.value.candidates == ("one", "two")


@pytest.mark.parametrize("slider", SLIDERS)
def test_where_there_is_none_the_names_and_a_place_are_told(slider: str) -> None:
    with pytest.raises(UnresolvedLora) as caught:
        choose(slider, [], None)
    assert f"add_{slider}" in str(caught.value)
    assert "https://civitai.com/" in str(caught.value)


def test_the_table_is_whole() -> None:
    assert set(known_sliders()) == set(SLIDERS)
    for entries in known_sliders().values():
        for entry in entries:
            assert entry.names
            assert entry.source
            assert all(re.fullmatch("[0-9a-f]{8,64}", known) for known in entry.hashes)
            assert bool(entry.page) == bool(entry.title)
