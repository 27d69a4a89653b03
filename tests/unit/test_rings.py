"""`dev.py test`: rings side by side are shown whole and in order, counted together, and stopped together."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tools.dev import checks, rings
from tools.dev.checks import Counts, Run
from tools.dev.layout import Layout
from tools.dev.rings import Ring
from tools.dev.setup import Host, Ready

ROOT = Path(__file__).resolve().parents[2]
Check = Callable[[Run], Awaitable[Counts]]


def _program(code: str, counts: Counts) -> Check:
    """A ring that is one program, which fails it by its exit status."""

    async def check(run: Run) -> Counts:
        return counts if await run.call([sys.executable, "-c", code]) == 0 else Counts(failed=1)

    return check


async def _crashes(run: Run) -> Counts:
    raise OSError("no such program")


@pytest.fixture
def run_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run these rings as if they were the project's."""
    layout = Layout(tmp_path)
    ready = Ready(layout, Host(tmp_path, Path(sys.executable), False), tmp_path)
    monkeypatch.setattr(rings, "set_up", lambda *_: ready)

    def call(*given: Ring, names: tuple[str, ...] = ()) -> int:
        monkeypatch.setattr(rings, "RINGS", given)
        return rings.run_rings(layout, names, ())

    return call


def test_what_rings_print_is_whole_and_in_their_order(
    run_all: Callable[..., int], capfd: pytest.CaptureFixture[str]
) -> None:
    # The first ends after the second: it waits for a file that the second writes.
    waits = "import time, pathlib\nwhile not pathlib.Path('second').exists(): time.sleep(0.01)\n"
    first = Ring("first", _program(f"{waits}print('1 of first'); print('2 of first')", Counts(3)), 1)
    second = Ring("second", _program("print('of second'); open('second', 'w')", Counts(1, 0, 2)), 2)
    assert run_all(first, second) == 0
    out = capfd.readouterr().out
    parts = ["── first ──", "1 of first\n2 of first\nfirst: 3 passed, 0 failed in ", "── second ──"]
    parts += [
        "of second\nsecond: 1 passed, 0 failed, 2 skipped in ",
        "── times ──",
        "\nfirst  ",
        "\nsecond  ",
        "\nall  ",
    ]
    places = [out.find(part) for part in parts]
    assert -1 not in places
    assert places == sorted(places)
    assert out.splitlines()[-1] == "4 passed, 0 failed, 2 skipped"


@pytest.mark.parametrize(
    ("check", "said"),
    [(_crashes, "no such program"), (_program("import os; os.abort()", Counts(1)), "broken: 0 passed")],
)
def test_a_ring_that_crashes_fails_the_run_and_lets_the_others_end(
    run_all: Callable[..., int], capfd: pytest.CaptureFixture[str], check: Check, said: str
) -> None:
    assert run_all(Ring("broken", check, 1), Ring("good", _program("", Counts(2)), 1)) == 1
    out = capfd.readouterr().out
    assert said in out
    assert out.splitlines()[-1] == "2 passed, 1 failed"


def test_a_ring_on_demand_runs_only_when_it_is_named(
    run_all: Callable[..., int], capfd: pytest.CaptureFixture[str]
) -> None:
    given = Ring("usual", _program("", Counts(1)), 1), Ring("asked", _program("", Counts(5)), 1, (), True)
    assert run_all(*given) == 0
    assert run_all(*given, names=("asked",)) == 0
    ends = [line for line in capfd.readouterr().out.splitlines() if line.endswith("failed")]
    assert ends == ["1 passed, 0 failed", "5 passed, 0 failed"]


def test_nothing_passed_is_no_success(run_all: Callable[..., int]) -> None:
    assert run_all(Ring("empty", _program("", Counts()), 1)) == 1


def test_long_rings_start_first_once_the_quick_ones_have() -> None:
    names = [ring.name for ring in rings._start_order(rings.RINGS) if not ring.is_on_demand]
    assert set(names[:2]) == {"lint", "types"}
    assert names.index("unit") > names.index("browser")


_FAILS_ONCE = """
from pathlib import Path
def test_steady():
    pass
def test_fails_once(pytestconfig):
    seen = Path(pytestconfig.rootpath, "seen")
    was_seen = seen.exists()
    seen.touch()
    assert was_seen
def test_fails():
    assert {holds}
"""


@pytest.mark.parametrize(("holds", "counts"), [(True, Counts(3, 0, 0, 1)), (False, Counts(1, 2))])
def test_a_test_that_fails_once_beside_other_rings_is_named_and_a_broken_one_fails(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], holds: bool, counts: Counts
) -> None:
    (tmp_path / "tests" / "api").mkdir(parents=True)
    (tmp_path / "tests" / "api" / "test_some.py").write_text(_FAILS_ONCE.format(holds=holds))
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    tools = Path(pytest.__file__).parents[1]
    ready = Ready(Layout(tmp_path), Host(tmp_path, Path(sys.executable), False), tools)
    assert asyncio.run(checks.api(Run(ready))) == counts
    assert ("UNSTEADY, failed and then passed: test_fails_once" in capfd.readouterr().out) == holds


def test_what_is_unsteady_is_said_at_the_end(
    run_all: Callable[..., int], capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_all(Ring("one", _program("", Counts(3, 0, 0, 2)), 1)) == 0
    said, total = [line for line in capfd.readouterr().out.splitlines() if line][-2:]
    assert said.startswith("2 unsteady")
    assert total == "3 passed, 0 failed"


_INTERRUPTED = """
import asyncio, sys
from pathlib import Path
from tools.dev.children import run_child
TIDY = '''
import time, pathlib, sys
try:
    pathlib.Path(sys.argv[1] + ".up").touch()
    time.sleep(60)
finally:
    pathlib.Path(sys.argv[1] + ".tidy").touch()
'''
async def main():
    out = open("children.log", "w")
    calls = [run_child([sys.executable, "-c", TIDY, name], Path("."), {}, out) for name in ("a", "b")]
    await asyncio.gather(*calls)
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a console of Windows tells every process itself")
def test_ctrl_c_lets_every_child_tidy_up(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _INTERRUPTED]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE) as process:
        asyncio.run(_until(lambda: all((tmp_path / f"{name}.up").exists() for name in "ab")))
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) != 0
    assert all((tmp_path / f"{name}.tidy").exists() for name in "ab")


async def _until(question: Callable[[], bool]) -> None:
    async def ask() -> None:
        while not question():
            await asyncio.sleep(0.02)

    await asyncio.wait_for(ask(), 30)
