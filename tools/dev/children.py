"""Processes a command waits for side by side: none of them outlives it, however it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

STOP_GRACE_S = 20.0  # a test process stops its host first, which may take eight seconds


async def run_child(
    command: Sequence[str | Path], cwd: Path, env: Mapping[str, str], out: IO[str] | None = None
) -> int:
    """Run a command to its end and return its exit status; negative where a signal ended it (POSIX).

    Both its outputs go to `out`, a file, or where ours go. When the task that waits is cancelled, the child
    gets what Ctrl-C gives it, and is killed if it has not ended after `STOP_GRACE_S`.
    """
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        cwd=cwd,
        env=env,
        stdin=None if out is None else subprocess.DEVNULL,
        stdout=out,
        stderr=None if out is None else subprocess.STDOUT,
        # A group of its own: Ctrl-C then reaches us alone, and the child is told once and not twice.
        start_new_session=sys.platform != "win32",
    )
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            await _stop(process)


async def _stop(process: asyncio.subprocess.Process) -> None:
    try:
        if sys.platform != "win32":  # on Windows the console has told every process of the window
            process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.wait(), STOP_GRACE_S)
    except (ProcessLookupError, asyncio.TimeoutError):
        pass
    finally:
        if process.returncode is None:
            _kill(process)


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
