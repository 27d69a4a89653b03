"""A process that is killed, or whose disk is full: nothing is half written, and the next run is clean."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fake_sites import CONTENT, Fakes, fake_sites, get
from pack_modules import pack_module
from PIL import Image
from small_files import UNET_LAYER, pair, save_lora, write_checkpoint, write_ink
from workflows import loader, loaders_in_a_row

from lora_core.cli import main
from lora_core.errors import RackError
from lora_core.library.index import Index

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork, and no SIGKILL")

KILLS = int(os.environ.get("RACK_KILLS", "5"))  # of each kind of work
WRONG = 2  # the exit status of a typed error
LORAS = 12


@dataclass(frozen=True)
class Work:
    """Something that writes. `check` is called when a process may have died in it, `run` again then."""

    run: Callable[[], None]
    check: Callable[[], None]
    is_done: Callable[[], bool]


def _command(folder: Path, out: Path, *words: object) -> Work:
    """A command that writes one file: it is the right one, or none."""
    command = [*map(str, words), str(out), "--force"]

    def run() -> None:
        if main(command) == WRONG:
            raise RackError(" ".join(command))

    run()
    wanted = out.read_bytes()
    out.unlink()

    def check() -> None:
        assert not out.exists() or _same(out.read_bytes(), wanted)

    return Work(run, check, out.exists)


def _same(found: bytes, wanted: bytes) -> bool:
    # A merge notes its time in the header.
    size = 8 + int.from_bytes(wanted[:8], "little")
    return found == wanted or (len(found) == len(wanted) and found[size:] == wanted[size:])


def merging(folder: Path) -> Work:
    checkpoint, ink = write_checkpoint(folder), write_ink(folder)
    return _command(folder, folder / "out.safetensors", "merge", ink, "--into", checkpoint, "--out")


def saving(folder: Path) -> Work:
    return _command(folder, folder / "out.safetensors", "save", write_ink(folder), "--out")


def converting(folder: Path) -> Work:
    workflow = folder / "flow.json"
    workflow.write_text(json.dumps(loaders_in_a_row(loader("a.safetensors", 0.8, 0.8)).prompt()))
    return _command(folder, folder / "out.json", "convert", workflow, "-o")


def indexing(folder: Path) -> Work:
    """All facts and a hash; a file changes each time, so that there is always something to write."""
    paths = [
        save_lora(folder / "loras" / f"{n}.safetensors", pair(UNET_LAYER, 8, 8), ss_output_name=f"L{n}")
        for n in range(LORAS)
    ]
    database = folder / "index.sqlite3"

    def run() -> None:
        index = Index(database)
        for path in paths[:: LORAS // 3]:
            os.utime(path)
        index.refresh(paths)
        index.measure(paths[0])
        index.close()
        if index.notes:
            raise RackError(*index.notes)

    def check() -> None:
        index = Index(database)
        for number in (0, LORAS - 1):
            assert index.facts_of([paths[number]])[paths[number]].alias == f"L{number}"
            assert index.with_alias(f"L{number}", paths) == [paths[number]]
        assert index.notes == ()  # neither damaged nor locked
        index.close()

    return Work(run, check, lambda: True)


def picturing(folder: Path) -> Work:
    """A thumbnail is kept in memory alone."""
    picture = folder / "a.preview.png"
    Image.new("RGB", (600, 400), "teal").save(picture)
    previews = pack_module("nodes.page.previews")

    def run() -> None:
        previews._CACHE.discard(lambda held: True)
        assert previews.thumbnail(previews.preview_at(picture)).data

    return Work(run, lambda: None, lambda: True)


WRITERS = (merging, saving, converting)


def getting(folder: Path, fakes: Fakes) -> Work:
    loras = folder / "loras"
    place = loras / fakes.name

    def run() -> None:
        loras.mkdir(exist_ok=True)
        get(fakes, loras)

    def check() -> None:
        assert not place.exists() or place.read_bytes() == CONTENT
        for beside in loras.glob("*.json"):
            assert json.loads(beside.read_bytes())

    return Work(run, check, place.exists)


@pytest.fixture
def fakes() -> Iterator[Fakes]:
    with fake_sites(CONTENT) as found:
        yield found


@pytest.mark.parametrize("make", [*WRITERS, indexing, picturing])
def test_killed_at_any_moment(make: Callable[[Path], Work], tmp_path: Path) -> None:
    _kill_often(make(tmp_path), tmp_path)


def test_a_download_killed_at_any_moment(fakes: Fakes, tmp_path: Path) -> None:
    _kill_often(getting(tmp_path, fakes), tmp_path, begin_anew=tmp_path / "loras")


def _kill_often(work: Work, folder: Path, begin_anew: Path | None = None) -> None:
    started = time.monotonic()
    work.run()
    takes_s = time.monotonic() - started
    visible = _visible(folder)
    dice = random.Random(0)
    for _ in range(KILLS):
        if begin_anew is not None and begin_anew.exists():  # or killed before it made the folder
            shutil.rmtree(begin_anew)
        _killed(work.run, dice.uniform(0, 1.5 * takes_s + 0.002))
        work.check()
        assert _visible(folder) <= visible
        if dice.random() < 0.3:  # the next run comes at once, or after more have died
            assert _status(work.run) == 0
            work.check()
            assert _left(folder) == []
    assert _status(work.run) == 0
    assert work.is_done()
    work.check()
    assert _left(folder) == []


def _killed(work: Callable[[], None], after_s: float) -> None:
    process = _forked(work, again=True)
    time.sleep(after_s)
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    assert os.WIFSIGNALED(status), "it ended by itself, with an error"


# a full disk


@pytest.mark.parametrize("make", WRITERS)
@pytest.mark.parametrize("room", [0, 1, 300, 2000])
def test_a_disk_full_at_any_byte(make: Callable[[Path], Work], room: int, tmp_path: Path) -> None:
    work = make(tmp_path)
    before = _visible(tmp_path)
    status = _status(_with_room(work.run, room))
    work.check()
    assert status == (0 if work.is_done() else WRONG)
    assert _left(tmp_path) == []
    if room < 300:
        assert status == WRONG
        assert _visible(tmp_path) == before


@pytest.mark.parametrize("room", [0, 1, 1000, 10_000, 20_000])
def test_an_index_with_no_room_says_so_and_goes_on_in_memory(room: int, tmp_path: Path) -> None:
    work = indexing(tmp_path)
    assert _status(_with_room(work.run, room)) == WRONG  # its note, and no other error
    work.check()


@pytest.mark.parametrize("room", [0, 100, len(CONTENT) - 1, len(CONTENT)])
def test_a_download_with_no_room(room: int, fakes: Fakes, tmp_path: Path) -> None:
    work = getting(tmp_path, fakes)
    status = _status(_with_room(work.run, room))
    work.check()
    assert status == (0 if work.is_done() else WRONG)
    assert work.is_done() == (room >= len(CONTENT))
    assert _status(work.run) == 0
    assert _left(tmp_path) == []


def _with_room(work: Callable[[], None], size: int) -> Callable[[], None]:
    """No file may become larger than `size` bytes."""

    def limited() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        work()

    return limited


# two at once


def test_two_processes_on_one_index(tmp_path: Path) -> None:
    work = indexing(tmp_path)
    processes = [_forked(lambda: [work.run() for _ in range(15)]) for _ in range(2)]  # type: ignore[func-returns-value]
    assert [_ended(process) for process in processes] == [0, 0]
    work.check()


def test_two_processes_that_write_one_file(tmp_path: Path) -> None:
    """Each tidies up what dead ones left; neither takes the other's part for that."""
    work = saving(tmp_path)
    processes = [_forked(lambda: [work.run() for _ in range(15)]) for _ in range(3)]  # type: ignore[func-returns-value]
    assert [_ended(process) for process in processes] == [0, 0, 0]
    work.check()
    assert _left(tmp_path) == []


# processes


def _status(work: Callable[[], None]) -> int:
    return _ended(_forked(work))


def _ended(process: int) -> int:
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status)


def _forked(work: Callable[[], Any], again: bool = False) -> int:
    """A process that does the work, over and over with `again`; 0 at its end, 2 for a typed error, else 1."""
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            work()
            while again:
                work()
            status = 0
    except RackError:
        status = WRONG
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _visible(folder: Path) -> set[Path]:
    names = folder.rglob("[!.]*")
    return {path for path in names if "sqlite3" not in path.name}


def _left(folder: Path) -> list[Path]:
    """Hidden files, and locks."""
    return [path for path in folder.rglob("*") if path.name.startswith(".") or path.name.endswith("-journal")]
