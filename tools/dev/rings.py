"""`dev.py test`: the checks in rings, side by side, shown in the order of their cost and counted together."""

from __future__ import annotations

import asyncio
import os
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tools.dev import checks
from tools.dev.checks import Counts, Run
from tools.dev.chromium import chromium, is_left_out
from tools.dev.layout import Layout
from tools.dev.setup import Need, set_up
from tools.dev.steps import StepFailed

QUICK_S = 30.0
_WIDTH = 74


@dataclass(frozen=True)
class Ring:
    """A named group of checks.

    `takes_s`: about how many seconds it takes on two idle cores, beside another. `is_on_demand`: it runs only
    when it is named.
    """

    name: str
    check: Callable[[Run], Awaitable[Counts]]
    takes_s: float
    needs: tuple[Need, ...] = (Need.TOOLS,)
    is_on_demand: bool = False


_HOST = (Need.TOOLS, Need.BASE, Need.PROMPTS)
RINGS = (
    Ring("lint", checks.lint, 2),
    Ring("types", checks.types, 20, (Need.TOOLS, Need.TYPESCRIPT)),
    Ring("unit", checks.unit, 60),
    Ring("host", checks.host, 270, _HOST),
    Ring("api", checks.api, 150, _HOST),
    Ring("browser", checks.browser, 780, _HOST),
    Ring("fuzz", checks.fuzz, 600, _HOST, is_on_demand=True),
)


@dataclass(frozen=True)
class Result:
    """What became of a ring."""

    ring: Ring
    counts: Counts
    seconds: float

    def __str__(self) -> str:
        return f"{self.ring.name}: {self.counts} in {self.seconds:.1f} s"


def run_rings(layout: Layout, names: Sequence[str], pytest_arguments: Sequence[str]) -> int:
    """Run the named rings, or all that are not on demand; 0 only if something passed and nothing failed.

    One ring alone has the terminal. Several run side by side, as many at once as there are processors and at
    least two; what each prints goes to `.rack/logs/ring-NAME.log` and is shown whole, in the order of RINGS.
    """
    rings = [ring for ring in RINGS if (ring.name in names if names else not ring.is_on_demand)]
    ready = set_up(layout, *{need for ring in rings for need in ring.needs})
    drives_browser = any(ring.check is checks.browser for ring in rings)
    run = Run(ready, tuple(pytest_arguments), _browser(layout) if drives_browser else None)
    start = time.monotonic()
    results = asyncio.run(_side_by_side(rings, run) if len(rings) > 1 else _alone(rings[0], run))
    if len(results) > 1:
        _show_times(results, time.monotonic() - start)
    total = sum((result.counts for result in results), Counts())
    if total.unsteady:
        print(
            f"\n{total.unsteady} unsteady: failed, and passed when asked again; mend them (CONTRIBUTING.md)"
        )
    print(f"\n{total}", flush=True)
    return 0 if total.failed == 0 and total.passed > 0 else 1


def _browser(layout: Layout) -> Path | StepFailed | None:
    """The Chromium to drive, installed before the rings start if that is possible; or why there is none."""
    try:
        return None if is_left_out() else chromium(layout)
    except StepFailed as failure:
        return failure


async def _alone(ring: Ring, run: Run) -> list[Result]:
    print(_title(ring.name), flush=True)
    result = await _checked(ring, run)
    print(result, flush=True)
    return [result]


async def _side_by_side(rings: Sequence[Ring], run: Run) -> list[Result]:
    lanes = max(2, os.cpu_count() or 1)
    gate = asyncio.Semaphore(lanes)
    shared = replace(run, threads=_threads_each(min(lanes, len(rings))))
    tasks = {ring: asyncio.create_task(_logged(ring, shared, gate)) for ring in _start_order(rings)}
    try:
        return [await _shown(ring, tasks[ring], _log(ring, run)) for ring in rings]
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)


def _start_order(rings: Sequence[Ring]) -> list[Ring]:
    """Quick ones first, for what they say; then the longest, so that none is left to run alone at the end."""
    return sorted(rings, key=lambda ring: (ring.takes_s > QUICK_S, -ring.takes_s))


def _threads_each(rings: int) -> int | None:
    """The processors divided among rings that run at once: more threads than these wait for each other."""
    is_chosen = "OMP_NUM_THREADS" in os.environ
    return None if is_chosen else max(1, (os.cpu_count() or 1) // rings)


async def _logged(ring: Ring, run: Run, gate: asyncio.Semaphore) -> Result:
    async with gate:
        log = _log(ring, run)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w", encoding="utf-8", errors="replace") as out:
            return await _checked(ring, replace(run, out=out))


async def _checked(ring: Ring, run: Run) -> Result:
    start = time.monotonic()
    try:
        counts = await ring.check(run)
    except Exception:
        # A ring that cannot be run is a failure of the run, and no reason to leave the others out.
        run.say(traceback.format_exc())
        counts = Counts(failed=1)
    return Result(ring, counts, time.monotonic() - start)


async def _shown(ring: Ring, task: asyncio.Task[Result], log: Path) -> Result:
    result = await task
    print(_title(ring.name))
    print(log.read_text(encoding="utf-8", errors="replace").rstrip())
    print(result, flush=True)
    return result


def _log(ring: Ring, run: Run) -> Path:
    return run.ready.layout.logs / f"ring-{ring.name}.log"


def _title(text: str) -> str:
    return f"\n── {text} " + "─" * (_WIDTH - 4 - len(text))


def _show_times(results: Sequence[Result], seconds: float) -> None:
    """What each ring took, side by side with others, and all of them with the processors' time."""
    print(_title("times"))
    for result in results:
        print(f"{result.ring.name:<8} {result.seconds:6.1f} s")
    used = os.times()
    processors = used.children_user + used.children_system
    note = f", {processors:.1f} s of processor time" if processors else ""  # Windows counts no children
    print(f"{'all':<8} {seconds:6.1f} s{note}")
