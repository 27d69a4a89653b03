"""The chosen host, running, for commands a person watches: progress while it starts, stopped at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.dev.host_server import HostServer
from tools.dev.setup import Ready
from tools.dev.steps import ProgressLine


@contextmanager
def running_host(ready: Ready, log: Path, port: int | None = None) -> Iterator[HostServer]:
    """Start the host on its base folder; raises ServerFailed when it does not come up."""
    host = ready.host
    server = HostServer(
        host.source,
        host.python,
        ready.layout.base,
        log,
        on_cpu=not host.has_accelerator,
        port=port,
        stand_ins=host.stand_ins,
    )
    with ProgressLine("host") as line:
        server.start(line.tick)
    try:
        yield server
    finally:
        server.stop()
