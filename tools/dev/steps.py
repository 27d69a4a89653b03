"""Set-up as a list of steps: which are missing, one progress line for each, one message when one fails."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tools.dev.layout import Layout

TAIL_LINES = 15
HEARTBEAT_S = 5.0


class StepFailed(Exception):
    """Why a step could not be done, and what a person can do about it."""

    def __init__(self, why: str, advice: str, log: Path | None = None, tail: Sequence[str] = ()):
        super().__init__(why)
        self.why = why
        self.advice = advice
        self.log = log
        self.tail = tuple(tail)


class CommandFailed(Exception):
    """A logged command ended with a status other than 0."""

    def __init__(self, command: Sequence[str], status: int, log: Path):
        super().__init__(f"exit status {status}")
        self.command = tuple(command)
        self.status = status
        self.log = log

    def as_step_failed(self, what: str, advice: str) -> StepFailed:
        return StepFailed(f"{what} ended with status {self.status}", advice, self.log, last_lines(self.log))


class ProgressLine:
    """One line on the terminal that shows a step is alive: seconds, and what its log last said."""

    def __init__(self, label: str):
        self._label = label
        self._start = self._last_beat = time.monotonic()
        self._is_terminal = sys.stdout.isatty()
        self._say(f"{label} … ")

    def tick(self, note: str = "") -> None:
        now = time.monotonic()
        if now - self._last_beat < (0.5 if self._is_terminal else HEARTBEAT_S):
            return
        self._last_beat = now
        if self._is_terminal:
            self._say(f"\r\x1b[2K{self._label} … {now - self._start:.0f} s  {note[:60]}")
        else:
            self._say(".")

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.close("  stopped" if isinstance(error, KeyboardInterrupt) else "  failed")

    def close(self, ending: str = "") -> None:
        start = f"\r\x1b[2K{self._label} … " if self._is_terminal else " "
        self._say(f"{start}{time.monotonic() - self._start:.0f} s{ending}\n")

    @staticmethod
    def _say(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


@dataclass(frozen=True)
class Step:
    """A piece of set-up. `is_done` is cheap and offline; `build` leaves it done or raises StepFailed."""

    name: str
    is_done: Callable[[], bool]
    build: Callable[[ProgressLine], None]


def run_steps(steps: Sequence[Step], layout: Layout) -> None:
    """Do the steps that are not done, in order. Silent and immediate when all are."""
    if all(step.is_done() for step in steps):
        return
    layout.logs.mkdir(parents=True, exist_ok=True)
    with _only_one_setup(layout):
        for number, step in enumerate(steps, start=1):
            if not step.is_done():
                _run_step(step, f"[{number}/{len(steps)}] {step.name}", layout)


def _run_step(step: Step, label: str, layout: Layout) -> None:
    try:
        with ProgressLine(label) as line:
            step.build(line)
    except StepFailed as failure:
        raise SystemExit(describe(step.name, failure, layout)) from failure
    except OSError as error:
        blocked = StepFailed(str(error), "Check free space and permissions, then run the same command again.")
        raise SystemExit(describe(step.name, blocked, layout)) from error


def describe(name: str, failure: StepFailed, layout: Layout) -> str:
    """The whole message of a failed step: which, why, the log's end, what to do."""
    parts = [f"\n{name} failed: {failure.why}"]
    parts += [f"  | {line}" for line in failure.tail]
    if failure.log is not None:
        parts.append(f"Log: {layout.shown(failure.log)}")
    parts.append(f"What to do: {failure.advice}")
    return "\n".join(parts)


def run_logged(
    command: Sequence[str | Path],
    log: Path,
    line: ProgressLine,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run a command with its output in `log`, ticking the progress line; raises CommandFailed."""
    words = [str(word) for word in command]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        out.write(("$ " + " ".join(words) + "\n").encode())
        out.flush()
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=cwd, env=env
        )
        try:
            while (status := _wait_briefly(process)) is None:
                line.tick("".join(last_lines(log, 1)))
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if status != 0:
        raise CommandFailed(words, status, log)


def _wait_briefly(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(timeout=0.2)
    except subprocess.TimeoutExpired:
        return None


def last_lines(log: Path, count: int = TAIL_LINES) -> list[str]:
    """The last non-empty lines of a log."""
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 20_000))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()][-count:]


@contextmanager
def _only_one_setup(layout: Layout) -> Iterator[None]:
    """Hold the checkout's set-up lock, so that two commands started together do not build the same thing."""
    with (layout.rack / "setup.lock").open("a+b") as file:
        if not _try_lock(file.fileno()):
            print("Another dev.py is setting up; waiting for it.", flush=True)
            while not _try_lock(file.fileno()):
                time.sleep(0.5)
        yield  # closing the file gives the lock back


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
