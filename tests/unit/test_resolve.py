"""Which file a name means."""

from __future__ import annotations

import pytest

from lora_core.errors import AmbiguousLora, MissingLora
from lora_core.library.resolve import resolve

POSIX = [
    "add_detail.safetensors",
    "ink.pt",
    "styles/ink.safetensors",
    "styles/v1.5.safetensors",
    "x/y/deep.safetensors",
]
WINDOWS = [name.replace("/", "\\") for name in POSIX]


@pytest.mark.parametrize("available", [POSIX, WINDOWS], ids=["posix", "windows"])
@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("add_detail.safetensors", 0),
        ("add_detail", 0),
        ("./add_detail", 0),
        ("ink", 1),  # the path 'ink' without its extension; the other one's path is 'styles/ink'
        ("styles/ink.safetensors", 2),
        ("styles\\ink.safetensors", 2),
        ("styles\\ink", 2),
        ("ink.safetensors", 2),
        ("v1.5", 3),
        ("deep", 4),
        ("x\\y/deep", 4),
    ],
)
def test_a_name_means_one_file(available: list[str], name: str, place: int) -> None:
    assert resolve(name, available) == available[place]


def test_several_files_of_a_stem_are_all_named() -> None:
    with pytest.raises(AmbiguousLora) as caught:
        resolve("ink", ["a/ink.safetensors", "b/ink.safetensors"])
    assert caught.value.candidates == ("a/ink.safetensors", "b/ink.safetensors")
    assert "a/ink.safetensors, b/ink.safetensors" in str(caught.value)


def test_two_extensions_of_one_path_are_ambiguous() -> None:
    with pytest.raises(AmbiguousLora):
        resolve("ink", ["ink.pt", "ink.safetensors"])
    assert resolve("ink.pt", ["ink.pt", "ink.safetensors"]) == "ink.pt"


def test_a_path_that_is_another_files_path_without_extension_is_itself() -> None:
    assert resolve("ink", ["ink", "ink.safetensors"]) == "ink"


@pytest.mark.parametrize("name", ["add_detial", "ADD_DETAIL", "detail", "add", "styles"])
def test_a_near_name_is_suggested_never_taken(name: str) -> None:
    with pytest.raises(MissingLora):
        resolve(name, POSIX)


def test_the_nearest_names_are_named() -> None:
    with pytest.raises(MissingLora, match=r"add_detail\.safetensors"):
        resolve("folder/add_detial.safetensors", POSIX)
    with pytest.raises(MissingLora, match="put the file into a loras folder"):
        resolve("zzzz", POSIX)
    with pytest.raises(MissingLora, match=r"styles/ink\.safetensors"):
        resolve("inq.safetensors", POSIX)
