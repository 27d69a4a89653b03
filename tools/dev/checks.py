"""What `dev.py test` checks: the programs of each ring, and what they count."""

from __future__ import annotations

import os
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from tools.dev.base_folder import link_folder
from tools.dev.children import run_child
from tools.dev.chromium import is_left_out
from tools.dev.interpreters import clean_environment
from tools.dev.setup import Ready
from tools.dev.steps import StepFailed, describe
from tools.dev.typescript import type_check_command

NO_TESTS_COLLECTED = 5
FEW = 3  # tests of a ring that may be asked again


@dataclass(frozen=True)
class Counts:
    """How many checks passed, failed and were skipped; `unsteady` of those that passed failed at first."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    unsteady: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
            self.unsteady + other.unsteady,
        )

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


@dataclass(frozen=True)
class Run:
    """One `dev.py test`, as its rings see it.

    `browser` is the Chromium to drive or why there is none; None where no ring drives one. `out` is the file
    that takes what a ring and its programs print; None means the terminal. `threads` bounds the threads torch
    computes with in one process; None leaves that to torch.
    """

    ready: Ready
    pytest_arguments: tuple[str, ...] = ()
    browser: Path | StepFailed | None = None
    threads: int | None = None
    out: IO[str] | None = None

    @property
    def root(self) -> Path:
        return self.ready.layout.root

    def say(self, text: str) -> None:
        print(text, file=self.out, flush=True)

    def environment(self, **extra: str) -> dict[str, str]:
        """What every test process sees: the tools first, and where the host and the pack are."""
        host = self.ready.host
        bound = {} if self.threads is None else {"OMP_NUM_THREADS": str(self.threads)}
        stand_ins = [str(host.stand_ins)] if host.stand_ins else []
        return clean_environment(
            PYTHONPATH=os.pathsep.join([str(self.ready.tools), *stand_ins]),
            RACK_STAND_INS=os.pathsep.join(stand_ins),
            RACK_ROOT=str(self.root),
            RACK_HOST_DIR=str(host.source),
            RACK_BASE_DIR=str(self.ready.layout.base),
            RACK_CPU="0" if host.has_accelerator else "1",
            **bound,
            **extra,
        )

    async def call(self, command: Sequence[str | Path], cwd: Path | None = None, **extra: str) -> int:
        """Run a program in `cwd`, the root if none is given; its exit status."""
        return await run_child(command, cwd or self.root, self.environment(**extra), self.out)


async def lint(run: Run) -> Counts:
    assert run.ready.tools is not None
    ruff = run.ready.tools / "bin" / ("ruff.exe" if os.name == "nt" else "ruff")
    format_status = await run.call([ruff, "format", "--check", "."])
    return _one(format_status) + _one(await run.call([ruff, "check", "."]))


async def types(run: Run) -> Counts:
    # The pack imports relatively, up to its root; mypy can only follow that when the root is a package with a
    # name, whatever the checkout's folder is called. pyproject.toml names the files through this link.
    link = run.ready.layout.rack / "types" / "lora_rack"
    link_folder(link, run.root)
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as answer:
        status = await replace(run, out=answer).call([run.ready.host.python, "-m", "mypy"])
        answer.seek(0)
        run.say(answer.read().replace(f"{run.ready.layout.shown(link)}{os.sep}", "").rstrip())
    assert run.ready.tools is not None
    return _one(status) + _one(await run.call(type_check_command(run.ready.layout, run.ready.tools)))


def _one(status: int) -> Counts:
    return Counts(passed=1) if status == 0 else Counts(failed=1)


async def unit(run: Run) -> Counts:
    return await _pytest(run, "unit", run.root)


async def host(run: Run) -> Counts:
    # Not from the root: there the pack's folder `nodes` would be found before the host's own nodes.py.
    return await _pytest(run, "host", run.root / "tests" / "host")


async def api(run: Run) -> Counts:
    return await _asked_again(run, "api")


async def browser(run: Run) -> Counts:
    if is_left_out():
        run.say("RACK_NO_BROWSER=1: no browser is driven")
        return Counts(skipped=1)
    if isinstance(run.browser, StepFailed):
        run.say(describe("chromium", run.browser, run.ready.layout))
        return Counts(failed=1)
    return await _asked_again(run, "browser", RACK_CHROMIUM=str(run.browser))


async def fuzz(run: Run) -> Counts:
    """The fuzzing tests of the unit and the api ring with ten times as many cases: 50,000 and more."""
    files = await _pytest(run, "unit", run.root, only="test_fuzz.py", RACK_FUZZ="10")
    return files + await _pytest(run, "api", run.root, only="test_fuzz_requests.py", RACK_FUZZ="10")


async def _asked_again(run: Run, ring: str, **extra: str) -> Counts:
    """Run a ring that waits for other programs; a few tests that fail beside other rings are run once more.

    What passes then is counted as unsteady and named. It is a fault of the test or of the product, and not of
    the change that is being tested.
    """
    first = await _pytest(run, ring, run.root, **extra)
    if not 0 < first.failed <= FEW or run.pytest_arguments:
        return first
    failed = failed_tests(_report(run, ring))
    again = replace(run, pytest_arguments=("--last-failed", "--last-failed-no-failures=none"))
    run.say(f"\nonce more, alone: {', '.join(failed)}")
    second = await _pytest(again, ring, run.root, **extra)
    if second.failed or second.passed != first.failed:
        return first
    run.say(f"UNSTEADY, failed and then passed: {', '.join(failed)}")
    return Counts(first.passed + second.passed, 0, first.skipped, unsteady=second.passed)


async def _pytest(run: Run, ring: str, cwd: Path, only: str = "", **extra: str) -> Counts:
    """Run one folder of tests, or `only` one file of it.

    Counts come from its JUnit report, so a crash without one is a failure.
    """
    folder = run.root / "tests" / ring / only
    if not (folder.is_file() or any(folder.rglob("test_*.py"))):
        run.say(f"tests/{ring} has no tests")
        return Counts(failed=1)
    report = _report(run, ring, only)
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    command: list[str | Path] = [run.ready.host.python, "-m", "pytest", folder, f"--junitxml={report}"]
    # A cache of each ring's own: two that end together would write over what the other one has failed.
    command += ["-o", f"cache_dir={run.ready.layout.rack / 'pytest_cache' / ring}"]
    command += run.pytest_arguments
    if cwd != run.root:
        # The paths in pyproject's addopts are meant from the root.
        command += ["-o", "addopts=", f"--confcutdir={run.root / 'tests'}"]
    status = await run.call(command, cwd, **extra)
    counts = read_report(report)
    if status == NO_TESTS_COLLECTED and run.pytest_arguments:
        run.say("(no test of this ring is meant by the pytest arguments)")
    elif status != 0 and counts.failed == 0:
        counts += Counts(failed=1)
    return counts


def _report(run: Run, ring: str, only: str = "") -> Path:
    return run.ready.layout.logs / f"tests-{ring}{'-' * bool(only)}{only.removesuffix('.py')}.xml"


def failed_tests(report: Path) -> list[str]:
    """The names of the tests that failed, from a JUnit file."""
    if not report.exists():
        return []
    cases = ElementTree.parse(report).getroot().iter("testcase")
    return [
        case.get("name", "")
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    ]


def read_report(report: Path) -> Counts:
    """The counts of a JUnit file; errors count as failed. No file means nothing was counted."""
    if not report.exists():
        return Counts()
    total = failed = skipped = 0
    for suite in ElementTree.parse(report).getroot().iter("testsuite"):
        total += int(suite.get("tests", 0))
        failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped += int(suite.get("skipped", 0))
    return Counts(total - failed - skipped, failed, skipped)
