"""`dev.py record-host`: write down what the pack relies on of a ComfyUI (tools/host_record)."""

from __future__ import annotations

import os
import subprocess

from tools.dev.interpreters import clean_environment
from tools.dev.layout import Layout
from tools.dev.setup import set_up


def run_record(layout: Layout) -> int:
    """Run the recorder in the chosen host's interpreter; returns its exit status."""
    ready = set_up(layout)
    paths = [layout.root / "tools", layout.root / "tests" / "host", ready.host.stand_ins]
    environment = clean_environment(
        PYTHONPATH=os.pathsep.join(str(path) for path in paths if path),
        RACK_HOST_DIR=str(ready.host.source),
        RACK_CPU="1",
    )
    command = [str(ready.host.python), "-m", "host_record.run", str(layout.root / "tests" / "hosts")]
    return subprocess.run(command, cwd=layout.root, env=environment, check=False).returncode
