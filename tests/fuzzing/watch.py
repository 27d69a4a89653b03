"""What a fuzzed case may not do: take long, open a socket, start a program, touch what it was not given.

The api ring copies this module into a pack of the running server, which is watched by `begin` and `end`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(os.environ.get("RACK_ROOT") or Path(__file__).resolve().parents[2])
MOST_SECONDS = 2.0  # of processor time, so that a busy machine is no failure
MOST_GROWTH = 200 * 2**20

_PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "pty.spawn")
_WRITES = (
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
)
# What a server does not do when it answers: it accepts, and a socket that is accepted is made.
_CALLS_OUT = ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname")
_READS = ("open", "os.listdir", "os.scandir", "glob.glob")
# Programs and data of Python and of this repository are read when they are first needed.
_OWN = tuple(
    map(os.path.realpath, (sys.prefix, sys.base_prefix, ROOT, *filter(None, sys.path), "/proc/self"))
)

_watching: list[_Watch] = []


class _Watch:
    def __init__(self, folder: Path, serves: bool = False) -> None:
        self.folder = os.path.realpath(folder)
        self.serves = serves
        self.own = (*_OWN, "/proc", "/sys", "/etc/mime.types") if serves else _OWN
        self.seen: list[str] = []

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        is_call = event in _CALLS_OUT if self.serves else event.startswith("socket.")
        if is_call or event in _PROGRAMS:
            self.seen.append(f"{event} {arguments!r:.200}")
        elif event in _WRITES or event in _READS:
            path = arguments[0] if arguments else None
            writes = event in _WRITES or (event == "open" and _is_writing(arguments))
            if isinstance(path, str | bytes | os.PathLike) and not self._may(os.fsdecode(path), writes):
                self.seen.append(f"{event} {os.fsdecode(path)!r:.200}")

    def _may(self, path: str, writes: bool) -> bool:
        allowed = (self.folder,) if writes else (self.folder, *self.own)
        real = os.path.realpath(path) if "\0" not in path else path
        return real == os.devnull or any(
            real == place or real.startswith(place + os.sep) for place in allowed
        )


def _is_writing(arguments: tuple[Any, ...]) -> bool:
    mode, flags = (*arguments[1:3], None, None)[:2]
    by_mode = isinstance(mode, str) and bool(set(mode) & set("wax+"))
    return by_mode or (isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)))


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    for watch in _watching:
        watch.note(event, arguments)


sys.addaudithook(_hook)  # for good: Python takes none back


@contextmanager
def watched(folder: Path) -> Iterator[None]:
    """Fails when the block reads or writes outside `folder`, opens a socket or starts a program."""
    watch = _Watch(folder)
    _watching.append(watch)
    try:
        yield
    finally:
        _watching.remove(watch)
    assert watch.seen == []


def begin(folder: Path) -> Callable[[], list[str]]:
    """Watch a process that serves, until what comes back is called: it gives what was seen."""
    watch = _Watch(folder, serves=True)
    _watching.append(watch)

    def end() -> list[str]:
        _watching.remove(watch)
        return watch.seen

    return end


def quick(case: Callable[[], object]) -> None:
    """Run a case. Fails when it takes more than its time."""
    started = time.process_time()
    case()
    spent = time.process_time() - started
    assert spent < MOST_SECONDS, f"took {spent:.1f} s"


def memory() -> int:
    """Bytes of this process in memory, 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
