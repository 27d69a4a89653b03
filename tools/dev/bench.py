"""`dev.py bench`: run the benchmarks with the host's interpreter; what they measure is in benchmarks/."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tools.dev.interpreters import clean_environment
from tools.dev.layout import Layout
from tools.dev.setup import set_up


def run_bench(layout: Layout, names: Sequence[str], json_file: Path | None) -> int:
    """Run benchmarks/run.py; returns its exit status."""
    program = layout.root / "benchmarks" / "run.py"
    if not program.is_file():
        raise SystemExit(f"{layout.shown(program)} is missing: this checkout has no benchmarks.")
    ready = set_up(layout)
    lent = {"PYTHONPATH": str(ready.host.stand_ins)} if ready.host.stand_ins else {}
    environment = clean_environment(
        **lent,
        RACK_ROOT=str(layout.root),
        RACK_HOST_DIR=str(ready.host.source),
        RACK_CPU="0" if ready.host.has_accelerator else "1",
    )
    options = ["--json", str(json_file.absolute())] if json_file else []
    command = [str(ready.host.python), str(program), *names, *options]
    return subprocess.run(command, cwd=layout.root, env=environment, check=False).returncode
