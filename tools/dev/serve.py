"""`dev.py serve`: the real editor with the pack and the demo workflow, until Ctrl-C."""

from __future__ import annotations

import os
import socket
import time

from tools.dev.base_folder import DEMO_WORKFLOW
from tools.dev.host_server import LOOPBACK, HostServer, ServerFailed, free_port
from tools.dev.layout import PACK, Layout
from tools.dev.running_host import running_host
from tools.dev.setup import Need, set_up
from tools.dev.steps import last_lines

USUAL_PORT = 8188


def run_serve(layout: Layout, port: int | None) -> int:
    """Serve until Ctrl-C (status 0) or until the host ends by itself (status 1)."""
    ready = set_up(layout, Need.BASE, Need.PROMPTS)
    log = layout.logs / "serve-host.log"
    if port is not None and not _is_free(port):
        raise SystemExit(f"port {port} is in use; choose another with --port, or leave it out.")
    chosen = port or (USUAL_PORT if _is_free(USUAL_PORT) else free_port())
    try:
        with running_host(ready, log, chosen) as server:
            _announce(server, layout)
            while server.is_running():
                time.sleep(0.5)
    except ServerFailed as error:
        raise SystemExit(f"\nserve failed: {error}") from error
    except KeyboardInterrupt:
        print("\nstopped", flush=True)
        return 0
    end = "\n".join(f"  | {line}" for line in last_lines(log))
    raise SystemExit(f"\nthe host ended by itself\n{end}\nLog: {layout.shown(log)}")


def _announce(server: HostServer, layout: Layout) -> None:
    template = DEMO_WORKFLOW.removesuffix(".json")
    print(f"\nThe editor with the demo:  {server.url}/?template={template}&source={PACK}")
    print(f"The editor:                {server.url}/   (the demo is {template} in the Workflows panel)")
    print(f"The host's log:            {layout.shown(server.log)}")
    print("Ctrl-C stops it.", flush=True)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        if os.name == "posix":  # as the host binds: a port whose last connections are closing counts as free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
