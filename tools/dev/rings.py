"""`dev.py test`: the checks in rings, from the cheapest to those with a running host, counted together."""

from __future__ import annotations

import os
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.dev.base_folder import link_folder
from tools.dev.chromium import chromium, is_left_out
from tools.dev.interpreters import clean_environment
from tools.dev.layout import Layout
from tools.dev.setup import Need, Ready, set_up
from tools.dev.steps import StepFailed, describe
from tools.dev.typescript import type_check_command

NO_TESTS_COLLECTED = 5


@dataclass(frozen=True)
class Counts:
    """How many checks passed, failed and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


@dataclass(frozen=True)
class Run:
    """One `dev.py test`: what is ready, and the arguments meant for pytest."""

    ready: Ready
    pytest_arguments: tuple[str, ...]

    @property
    def root(self) -> Path:
        return self.ready.layout.root

    def environment(self, **extra: str) -> dict[str, str]:
        """What every test process sees: the tools first, and where the host and the pack are."""
        host = self.ready.host
        return clean_environment(
            PYTHONPATH=str(self.ready.tools),
            RACK_ROOT=str(self.root),
            RACK_HOST_DIR=str(host.source),
            RACK_BASE_DIR=str(self.ready.layout.base),
            RACK_CPU="0" if host.has_accelerator else "1",
            **extra,
        )

    def call(self, command: Sequence[str | Path], cwd: Path, **extra: str) -> int:
        words, environment = [str(word) for word in command], self.environment(**extra)
        return subprocess.run(words, cwd=cwd, env=environment, check=False).returncode


@dataclass(frozen=True)
class Ring:
    """A named group of checks."""

    name: str
    check: Callable[[Run], Counts]
    needs: tuple[Need, ...] = (Need.TOOLS,)


def _lint(run: Run) -> Counts:
    assert run.ready.tools is not None
    ruff = run.ready.tools / "bin" / ("ruff.exe" if os.name == "nt" else "ruff")
    format_status = run.call([ruff, "format", "--check", "."], run.root)
    return _one(format_status) + _one(run.call([ruff, "check", "."], run.root))


def _types(run: Run) -> Counts:
    # The pack imports relatively, up to its root; mypy can only follow that when the root is a package with a
    # name, whatever the checkout's folder is called. pyproject.toml names the files through this link.
    link = run.ready.layout.rack / "types" / "lora_rack"
    link_folder(link, run.root)
    command = [str(run.ready.host.python), "-m", "mypy"]
    answer = subprocess.run(
        command, cwd=run.root, env=run.environment(), capture_output=True, text=True, check=False
    )
    print((answer.stdout + answer.stderr).replace(f"{run.ready.layout.shown(link)}{os.sep}", "").rstrip())
    return _one(answer.returncode) + _page_types(run)


def _page_types(run: Run) -> Counts:
    assert run.ready.tools is not None
    return _one(run.call(type_check_command(run.ready.layout, run.ready.tools), run.root))


def _one(status: int) -> Counts:
    return Counts(passed=1) if status == 0 else Counts(failed=1)


def _unit(run: Run) -> Counts:
    return _pytest(run, "unit", run.root)


def _host(run: Run) -> Counts:
    # Not from the root: there the pack's folder `nodes` would be found before the host's own nodes.py.
    return _pytest(run, "host", run.root / "tests" / "host")


def _api(run: Run) -> Counts:
    return _pytest(run, "api", run.root)


def _browser(run: Run) -> Counts:
    if is_left_out():
        print("RACK_NO_BROWSER=1: no browser is driven")
        return Counts(skipped=1)
    try:
        driven = chromium(run.ready.layout)
    except StepFailed as failure:
        print(describe("chromium", failure, run.ready.layout))
        return Counts(failed=1)
    return _pytest(run, "browser", run.root, RACK_CHROMIUM=str(driven))


def _pytest(run: Run, ring: str, cwd: Path, **extra: str) -> Counts:
    """Run one folder of tests; counts come from its JUnit report, so a crash without one is a failure."""
    folder = run.root / "tests" / ring
    if not any(folder.rglob("test_*.py")):
        print(f"tests/{ring} has no tests")
        return Counts(failed=1)
    report = run.ready.layout.logs / f"tests-{ring}.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    command: list[str | Path] = [run.ready.host.python, "-m", "pytest", folder, f"--junitxml={report}"]
    command += run.pytest_arguments
    if cwd != run.root:
        # The paths in pyproject's addopts are meant from the root.
        command += ["-o", "addopts=", f"--confcutdir={run.root / 'tests'}"]
    status = run.call(command, cwd, **extra)
    counts = read_report(report)
    if status == NO_TESTS_COLLECTED and run.pytest_arguments:
        print("(no test of this ring is meant by the pytest arguments)")
    elif status != 0 and counts.failed == 0:
        counts += Counts(failed=1)
    return counts


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


RINGS = (
    Ring("lint", _lint),
    Ring("types", _types, (Need.TOOLS, Need.TYPESCRIPT)),
    Ring("unit", _unit),
    Ring("host", _host, (Need.TOOLS, Need.BASE, Need.PROMPTS)),
    Ring("api", _api, (Need.TOOLS, Need.BASE, Need.PROMPTS)),
    Ring("browser", _browser, (Need.TOOLS, Need.BASE, Need.PROMPTS)),
)


def run_rings(layout: Layout, names: Sequence[str], pytest_arguments: Sequence[str]) -> int:
    """Run the named rings, or all, in their order; returns 0 only if something passed and nothing failed."""
    rings = [ring for ring in RINGS if not names or ring.name in names]
    ready = set_up(layout, *{need for ring in rings for need in ring.needs})
    run = Run(ready, tuple(pytest_arguments))
    total = Counts()
    for ring in rings:
        print(f"\n── {ring.name} " + "─" * (70 - len(ring.name)), flush=True)
        start = time.monotonic()
        counts = ring.check(run)
        print(f"{ring.name}: {counts} in {time.monotonic() - start:.1f} s", flush=True)
        total += counts
    print(f"\n{total}", flush=True)
    return 0 if total.failed == 0 and total.passed > 0 else 1
