"""Racks that are kept under names: read, written, expanded, and what can go wrong between two writers."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from lora_core.errors import (
    BadRackChain,
    BadRackName,
    BadRow,
    BadStackText,
    BrokenRack,
    CannotWrite,
    MissingRack,
    NamedRackError,
    RackChanged,
    RackExists,
)
from lora_core.grammar import parse, read_prompt, write
from lora_core.racks import RackStore, expand
from lora_core.stack import NamedRack, Stack


@pytest.fixture
def store(tmp_path: Path) -> RackStore:
    return RackStore(tmp_path / "racks")


def expanded(store: RackStore, text: str) -> str:
    return write(expand(parse(text), store.text_of))


@pytest.mark.parametrize(
    ("text", "row", "canonical"),
    [
        ("<rack:portrait>", NamedRack("portrait"), "<rack:portrait>"),
        ("< Rack : my portrait : 0.8 >", NamedRack("my portrait", 0.8), "<rack:my portrait:0.8>"),
        ("# <rack:a:-1>", NamedRack("a", -1.0, False), "# <rack:a:-1>"),
        ("<rack:a:1>", NamedRack("a"), "<rack:a>"),
    ],
)
def test_a_rack_is_a_row(text: str, row: NamedRack, canonical: str) -> None:
    assert parse(text) == Stack((row,))
    assert write(parse(text)) == canonical
    assert parse(canonical) == parse(text)


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("<rack>", 6, "the name of a rack"),
        ("<rack: >", 7, "the name of a rack"),
        ("<rack:a:0.8:0.5>", 13, "a rack has one strength"),
        ("<rack:a:high>", 9, "a number"),
        ("<rack:a:1e999>", 9, "a finite number"),
    ],
)
def test_a_bad_rack_is_an_error_with_its_place(text: str, column: int, expected: str) -> None:
    with pytest.raises(BadStackText, match=expected) as raised:
        parse(text)
    assert (raised.value.line, raised.value.column) == (1, column)


def test_a_prompt_may_name_racks_and_other_words_stay_words() -> None:
    prompt = read_prompt("a <rack of lamb>, <rack:portrait:0.5>, a lake <lora:ink:1>")
    assert prompt.text == "a <rack of lamb>, a lake"
    assert write(prompt.stack) == "<rack:portrait:0.5>\n<lora:ink:1>"


def test_a_rack_that_nobody_expands_is_never_lost() -> None:
    assert parse("# <rack:a>\n<lora:b:1>").entries[0].name == "b"
    with pytest.raises(MissingRack, match="kept by ComfyUI"):
        _ = parse("<rack:a>\n<lora:b:1>").active


def test_rows_come_in_the_place_of_the_name_times_its_strength(store: RackStore) -> None:
    store.save("base", "<lora:b:unet=1:te=0.5:lbw=OUTALL>\n# <lora:c:0.7>\n# a remark")
    store.save("portrait", "<lora:a:0.8:start=0.2>\n<rack:base:0.1>\n# <rack:gone>")
    assert expanded(store, "<lora:x:1>\n<rack:portrait:0.5>\n# <rack:base>\n<rack:base:0>\n<lora:y:1>") == (
        "<lora:x:1>\n<lora:a:0.4:start=0.2>\n<lora:b:unet=0.05:te=0.025:lbw=OUTALL>\n"
        "# <lora:c:0.035>\n<lora:y:1>"
    )


def test_a_circle_is_refused_with_its_names(store: RackStore) -> None:
    first = store.save("one", "<lora:a:1>\n<rack:two>")
    store.save("two", "<rack:three:0.5>")
    with pytest.raises(BadRackChain, match="one > two > three > one holds itself") as raised:
        store.save("three", "<rack:one>")
    assert raised.value.facts == {"chain": ["one", "two", "three", "one"]}
    with pytest.raises(BadRackChain, match="one > one holds itself"):
        store.save("one", "<rack:one>", first.version)
    (store.folder / "three.txt").write_text("<rack:one>")  # by hand
    with pytest.raises(BadRackChain, match="two > three > one > two"):
        expanded(store, "<rack:two>")


def test_depth_and_number_of_rows_are_bounded(store: RackStore) -> None:
    for level in range(12):
        (store.folder).mkdir(exist_ok=True)
        (store.folder / f"deep{level}.txt").write_text(f"<rack:deep{level + 1}>")
        (store.folder / f"wide{level}.txt").write_text(f"<rack:wide{level + 1}>\n" * 50)
    (store.folder / "wide3.txt").write_text("<lora:a:1>\n" * 50)
    with pytest.raises(BadRackChain, match="more than 8 racks deep"):
        expanded(store, "<rack:deep0>")
    with pytest.raises(BadRackChain, match="more than 10000 rows"):
        expanded(store, "<rack:wide0>")
    (store.folder / "wide3.txt").write_text("")  # no row at all, and as many looks
    with pytest.raises(BadRackChain, match="more than 10000 rows"):
        expanded(store, "<rack:wide0>")


def test_of_two_writers_one_is_told(store: RackStore) -> None:
    first = store.save("a", "<lora:a:1>")
    second = store.save("a", "<lora:a:2>", first.version)
    with pytest.raises(RackChanged, match="has been changed") as raised:
        store.save("a", "<lora:a:3>", first.version)
    assert raised.value.version == second.version
    with pytest.raises(RackExists):
        store.save("a", "<lora:a:3>")
    with pytest.raises(RackChanged):
        store.delete("a", first.version)
    with pytest.raises(RackChanged):
        store.rename("a", "b", first.version)
    assert store.text_of("a") == "<lora:a:2>"
    store.delete("a", second.version)
    with pytest.raises(RackChanged, match="not there any more"):
        store.save("a", "<lora:a:3>", second.version)


def test_many_writers_at_once_lose_nothing(store: RackStore) -> None:
    kept = store.save("a", "<lora:a:1>").version
    told: list[str] = []

    def write_one(number: int) -> None:
        try:
            told.append(store.save("a", f"<lora:a:{number}>", kept).text)
        except RackChanged:
            told.append("")

    threads = [threading.Thread(target=write_one, args=(number,)) for number in range(2, 18)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [text for text in told if text] == [store.text_of("a")]


def test_racks_are_listed_searched_renamed(store: RackStore) -> None:
    assert store.all() == []
    store.save("Zoo", "<lora:animals/cat:1>")
    rack = store.save("portrait", "<lora:faces:1>\n<rack:Zoo>")
    assert [one.name for one in store.all()] == ["portrait", "Zoo"]
    assert [one.name for one in store.all("CAT")] == ["Zoo"]
    assert [one.name for one in store.all("zoo faces")] == ["portrait"]
    assert store.rename("portrait", "Portrait", rack.version).name == "Portrait"
    assert store.names() == ["Portrait", "Zoo"]
    with pytest.raises(RackExists, match="'Zoo'"):
        store.rename("Portrait", "zoo", rack.version)
    with pytest.raises(RackExists, match="'Zoo'"):
        store.save("ZOO", "<lora:a:1>")
    with pytest.raises(MissingRack, match="Nearest names: Portrait"):
        store.get("potrait")


@pytest.mark.parametrize(
    "name",
    [
        "",
        " a",
        "a ",
        "a.",
        "../a",
        "a/b",
        "a\\b",
        "a:b",
        "a<b",
        "a\nb",
        "con",
        "LPT1.x",
        ".hidden",
        "x" * 101,
        "\u202eabc",
    ],
)
def test_a_name_from_outside_never_becomes_another_path(store: RackStore, name: str) -> None:
    for attempt in (
        lambda: store.save(name, "<lora:a:1>"),
        lambda: store.get(name),
        lambda: store.delete(name, "0"),
        lambda: store.rename(name, "b", "0"),
    ):
        with pytest.raises(BadRackName):
            attempt()
    assert not store.folder.exists()


def test_names_of_other_letters_are_names(store: RackStore) -> None:
    composed, apart = "Ange d\u00e9chu 肖像", "Ange de\u0301chu 肖像"
    store.save(composed, "<lora:a:1>")
    assert store.get(apart).text == "<lora:a:1>"
    assert expanded(store, f"<rack:{composed}>") == "<lora:a:1>"


def test_what_is_no_stack_is_not_kept(store: RackStore) -> None:
    with pytest.raises(BadStackText):
        store.save("a", "no tag")
    with pytest.raises(NamedRackError, match="more than"):
        store.save("a", "# " + "x" * 2**20)
    assert not store.folder.exists()
    with pytest.raises(BadRow):
        write(Stack((NamedRack("a<b"),)))


def test_files_that_cannot_be_read_or_written_are_typed_errors(store: RackStore) -> None:
    store.save("a", "<lora:a:1>")
    (store.folder / "bad.txt").write_bytes(b"\xff\xfe\x00")
    (store.folder / "folder.txt").mkdir()
    with pytest.raises(BrokenRack):
        store.get("bad")
    with pytest.raises(BrokenRack):
        store.get("folder")
    assert [rack.name for rack in store.all()] == ["a"]
    with pytest.raises(CannotWrite):
        RackStore(store.folder / "a.txt" / "deeper").save("b", "<lora:a:1>")


@pytest.mark.parametrize("name", ["gone", "ink_wash"])
def test_what_is_not_there_is_neither_deleted_nor_renamed(store: RackStore, name: str) -> None:
    with pytest.raises(MissingRack):
        store.delete(name, "")
    with pytest.raises(MissingRack):
        store.rename(name, "other", "")
    with pytest.raises(RackChanged):
        store.delete(name, "0123456789abcdef")
    assert store.names() == []


@pytest.mark.parametrize("text", ["# \ud800", "<lora:a>\n# a\n# \udfff", "<lora:\ud83d:0.5>"])
def test_half_a_surrogate_pair_is_refused_at_its_place(store: RackStore, text: str) -> None:
    place = rf"line {text.count(chr(10)) + 1}, column \d: .*UTF-8"
    with pytest.raises(BadStackText, match=place):
        store.save("ink", text)
    with pytest.raises(NamedRackError):
        store.save("a\ud800", "# a")
    assert store.names() == []


def test_a_disk_that_refuses_is_an_error_of_ours(store: RackStore, monkeypatch: pytest.MonkeyPatch) -> None:
    version = store.save("ink", "<lora:a>").version

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(CannotWrite, match="Permission denied"):
        store.delete("ink", version)
    with pytest.raises(CannotWrite, match="Permission denied"):
        store.rename("ink", "wash", version)
    assert store.get("ink").text == "<lora:a>"


def test_the_strengths_of_racks_are_products(store: RackStore) -> None:
    store.save("strong", "<lora:a:500>")
    with pytest.raises(BadRow, match="from -1000 to 1000"):
        expanded(store, "<rack:strong:3>")
    assert expanded(store, "<rack:strong:2>") == "<lora:a:1000>"
