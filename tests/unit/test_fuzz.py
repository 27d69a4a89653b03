"""Thousands of hostile inputs: every one works, or is an error of our tree, in bounded time and memory.

A case is made from its kind and its number, so a number that failed once fails again. `dev.py test fuzz` sets
RACK_FUZZ to run ten times as many.
"""

from __future__ import annotations

import json
import os
import re
import socket
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pack_modules import pack_module

from lora_core.axes import read_axes, read_values
from lora_core.blocks import read_block_weights
from lora_core.convert import convert
from lora_core.errors import RackError
from lora_core.grammar import scan, scan_prompt, write
from lora_core.key_maps import FileFamily
from lora_core.library import Index
from lora_core.library.file_facts import read_facts, to_json
from lora_core.reading import PartialLora, read_file, read_header, read_lora
from lora_core.reading.peft_patterns import BadPattern, Patterns
from lora_core.reports import measure_alone
from lora_core.stack import Stack
from lora_core.untrusted import read_json
from lora_core.workflows import rows_in_text
from tests.fuzzing import making
from tests.fuzzing.watch import MOST_GROWTH, memory, quick, watched

TIMES = int(os.environ.get("RACK_FUZZ", "1"))
pictures = pack_module("nodes.page.picture_files")
PackError = pack_module("lora_core.errors").RackError


def _try(*cases: Callable[[], object]) -> None:
    """Run each; an error of ours is an answer too, of bounded length."""
    for case in cases:
        try:
            quick(case)
        except (RackError, PackError) as error:
            told = str(error)
            assert len(told) < 20_000


def _header(numbers: Random, folder: Path) -> None:
    path = folder / "a.safetensors"
    path.write_bytes(making.header_file(numbers))
    _try(lambda: read_header(path), lambda: PartialLora(path))
    quick(lambda: json.dumps(to_json(read_facts(path)), allow_nan=False))


def _lora(numbers: Random, folder: Path) -> None:
    path = folder / "a.safetensors"
    data = making.lora_file(numbers)
    path.write_bytes(making.flipped(numbers, data) if numbers.random() < 0.3 else data)
    _try(lambda: PartialLora(path), lambda: json.dumps(_spectrum(path), allow_nan=False))


def _spectrum(path: Path) -> object:
    return measure_alone(read_lora(read_file(path)), FileFamily()).as_json()


def _config(numbers: Random, folder: Path) -> None:
    path = folder / "a.safetensors"
    path.write_bytes(SOUND)
    (folder / "adapter_config.json").write_bytes(making.odd_json(numbers, making.config(numbers)))
    _try(lambda: read_lora(read_file(path)))
    (folder / "adapter_config.json").unlink()


SOUND = making.save({f"x.to_q.lora_{side}.weight": making.torch.ones(4, 4) for side in "AB"})


def _sidecar(numbers: Random, folder: Path) -> None:
    ending, content = making.sidecar(numbers)
    path, beside = folder / "a.safetensors", folder / f"a{ending}"
    path.write_bytes(SOUND)
    beside.write_bytes(content)
    quick(lambda: json.dumps(to_json(read_facts(path)), allow_nan=False))
    beside.unlink()


def _picture(numbers: Random, folder: Path) -> None:
    path = folder / "a.png"
    data = making.picture(numbers)
    path.write_bytes(data)
    _try(lambda: pictures.small_webp(path, 64), lambda: pictures.texts_in(data))


def _workflow(numbers: Random, folder: Path) -> None:
    text = making.odd_json(numbers, making.workflow(numbers)).decode("utf-8", "replace")
    _try(lambda: _written(rows_in_text(text).stack), lambda: json.dumps(convert(read_json(text)).workflow))


def _written(stack: Stack) -> str:
    return write(stack)


def _text(numbers: Random, folder: Path) -> None:
    text = making.stack_text(numbers)
    _try(
        lambda: scan(text).stack(),
        lambda: write(scan_prompt(text).found.stack()),
        lambda: read_block_weights(text, text),
        lambda: read_axes(text),
        lambda: read_values(text),
        lambda: rows_in_text(text),
    )


def _index(numbers: Random, folder: Path) -> None:
    path, database = folder / "a.safetensors", folder / "index.sqlite3"
    path.write_bytes(SOUND)
    if database.exists():
        database.write_bytes(making.flipped(numbers, database.read_bytes()))
    index = Index(database)
    try:
        _try(
            lambda: index.refresh([path]),
            lambda: index.with_alias("a", [path]),
            lambda: index.matching("ab" * 5, [path]),
        )
    finally:
        index.close()


KINDS: dict[str, tuple[Callable[[Random, Path], None], int]] = {
    "header": (_header, 800),
    "lora": (_lora, 900),
    "config": (_config, 500),
    "sidecar": (_sidecar, 500),
    "picture": (_picture, 500),
    "workflow": (_workflow, 500),
    "text": (_text, 500),
    "index": (_index, 30),
}


def _pieces() -> Iterator[object]:
    for kind, (_, count) in KINDS.items():
        for piece in range(TIMES):
            yield pytest.param(kind, range(piece * count, (piece + 1) * count), id=f"{kind} {piece}")


@pytest.mark.parametrize(("kind", "cases"), _pieces())
def test_hostile_inputs_work_or_are_errors_of_ours(kind: str, cases: range, tmp_path: Path) -> None:
    run, before = KINDS[kind][0], memory()
    with warnings.catch_warnings(), watched(tmp_path):
        warnings.simplefilter("ignore")  # Pillow says what it makes of damaged EXIF
        for number in cases:
            try:
                run(Random(f"{kind} {number}"), tmp_path)
            except Exception as error:
                raise AssertionError(
                    f"case {number} of {kind}: {type(error).__name__}: {error!s:.300}"
                ) from error
    assert memory() - before < MOST_GROWTH


_ATOMS = st.sampled_from(["a", "b", r"\.", ".", "[ab]", "[^a]", r"\w", r"\d"])
_REPEATS = st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{0,2}", "{1,}", "*?", ""])
PATTERNS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"({two[0]}|{two[1]})"),
        st.tuples(inner, _REPEATS).map(lambda two: f"(?:{two[0]}){two[1]}"),
    ),
    max_leaves=6,
)


def test_the_watch_sees_what_it_is_for(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.write_text("not given", encoding="utf-8")
    with watched(inside):
        (inside / "a").write_text("a", encoding="utf-8")
    for does in (outside.read_bytes, outside.unlink, lambda: socket.socket().close()):
        with pytest.raises(AssertionError), watched(inside):
            does()


@given(PATTERNS, st.sampled_from(["", "^"]), st.text("ab.0", max_size=7))
def test_a_pattern_means_what_it_means_to_python(inner: str, begin: str, path: str) -> None:
    pattern = begin + inner
    wanted = re.match(rf"(.*\.)?({pattern})$", path) is not None
    assert (Patterns([pattern]).first_at(path) is not None) == wanted


@given(st.text(max_size=40))
def test_any_text_is_a_pattern_or_a_bad_one(text: str) -> None:
    try:
        Patterns([text]).first_at("a.b", text)
    except BadPattern as error:
        told = str(error)
        assert "pattern" in told


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**39), 10**39)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_json_within_the_bounds_is_read_as_python_reads_it(value: object) -> None:
    assert read_json(json.dumps(value)) == value


@given(st.text() | st.binary())
def test_anything_else_is_json_or_a_bad_one(source: str | bytes) -> None:
    try:
        read_json(source)
    except RackError as error:
        told = str(error)
        assert told.startswith("the text ")
