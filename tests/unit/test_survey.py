"""What is looked at for a name that no file has, and what a look does not miss."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from disk_reads import listed_under, opened_under
from test_library import Rack

from lora_core.errors import MissingLora
from lora_core.library.index import Index
from lora_core.library.library import Library


@pytest.fixture
def rack(tmp_path: Path) -> Rack:
    return Rack(tmp_path / "loras", Index(tmp_path / "index.sqlite3"))


def _age(folder: Path) -> None:
    """Let everything in a folder, and itself, be as old as the files of a real one mostly are."""
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (1, 1))


def _asks(rack: Rack, name: str, **hash: str) -> tuple[str, int]:
    """What a name means, and how many files were asked for, opened or listed to find out."""
    asked: list[str] = []
    library = rack.library
    whole = Library(library.names, lambda n: asked.append(n) or rack.folder / n, rack.index)
    with opened_under(rack.folder) as opened, listed_under(rack.folder) as listed:
        try:
            found = whole.find(name, **hash)
        except MissingLora:
            found = ""
    return found, len(asked) + len(opened) + len(listed)


def test_what_is_not_there_is_not_looked_for_in_every_file_again(rack: Rack) -> None:
    for number in range(60):
        rack.add(f"{number % 3}/style_{number}.safetensors", ss_output_name=f"alias {number}")
    _age(rack.folder)
    assert _asks(rack, "nothing")[1] > 120  # each file found and read
    assert _asks(rack, "nothing") == ("", 0)
    assert _asks(rack, "another thing") == ("", 0)
    assert _asks(rack, "alias 7") == ("1/style_7.safetensors", 1)  # the folder it lies in
    assert _asks(rack, "gone", hash="0123456789")[1] >= 60
    assert _asks(rack, "gone", hash="0123456789") == ("", 0)


def test_a_file_that_arrives_later_is_found(rack: Rack) -> None:
    rack.add("a.safetensors", ss_output_name="first")
    _age(rack.folder)
    assert _asks(rack, "second")[0] == ""
    rack.add("b.safetensors", ss_output_name="second")
    assert _asks(rack, "second")[0] == "b.safetensors"


def test_a_file_put_in_the_place_of_another_is_found(rack: Rack) -> None:
    rack.add("a.safetensors", ss_output_name="first")
    _age(rack.folder)
    assert _asks(rack, "second")[0] == ""
    rack.add("new.part", ss_output_name="second").replace(rack.folder / "a.safetensors")
    assert _asks(rack, "second")[0] == "a.safetensors"


def test_a_name_a_file_had_before_it_was_written_over_is_not_its_own(rack: Rack) -> None:
    path = rack.add("a.safetensors", ss_output_name="first")
    _age(rack.folder)
    assert _asks(rack, "first")[0] == "a.safetensors"
    data = rack.add("../other.safetensors", ss_output_name="second").read_bytes()
    path.write_bytes(data)
    assert _asks(rack, "first")[0] == ""


def test_a_file_whose_writing_went_on_is_found(rack: Rack) -> None:
    path = rack.add("a.safetensors", ss_output_name="first")
    data = path.read_bytes()
    path.write_bytes(data[:20])
    _age(rack.folder)
    assert _asks(rack, "first")[0] == ""
    path.write_bytes(data)  # which the folder does not tell
    assert _asks(rack, "first")[0] == "a.safetensors"


def test_a_change_right_after_a_look_is_not_missed(rack: Rack) -> None:
    rack.add("a.safetensors", ss_output_name="first")
    assert _asks(rack, "second")[0] == ""
    before = rack.folder.stat().st_mtime_ns
    rack.add("new.part", ss_output_name="second").replace(rack.folder / "a.safetensors")
    os.utime(rack.folder, ns=(before, before))  # as on a file system that counts whole seconds
    assert _asks(rack, "second")[0] == "a.safetensors"
