"""`dev.py bench`: run the benchmarks with the host's interpreter; what they measure is in benchmarks/."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tools.dev.chromium import chromium
from tools.dev.interpreters import clean_environment
from tools.dev.layout import Layout
from tools.dev.setup import Need, set_up

_SERVED = {"loop", "soak"}  # the benchmarks that start a host of their own


def run_bench(layout: Layout, names: Sequence[str], json_file: Path | None) -> int:
    """Run benchmarks/run.py; returns its exit status."""
    program = layout.root / "benchmarks" / "run.py"
    if not program.is_file():
        raise SystemExit(f"{layout.shown(program)} is missing: this checkout has no benchmarks.")
    is_served = bool(_SERVED & set(names))
    ready = set_up(layout, *((Need.TOOLS, Need.BASE, Need.PROMPTS) if is_served else ()))
    folders = [str(folder) for folder in (ready.tools, ready.host.stand_ins) if folder]
    lent = {"PYTHONPATH": os.pathsep.join(folders)} if folders else {}
    if "soak" in names:
        lent["RACK_CHROMIUM"] = str(chromium(layout))
    environment = clean_environment(
        **lent,
        RACK_STAND_INS=str(ready.host.stand_ins or ""),
        RACK_BASE_DIR=str(layout.base),
        RACK_ROOT=str(layout.root),
        RACK_HOST_DIR=str(ready.host.source),
        RACK_CPU="0" if ready.host.has_accelerator else "1",
    )
    options = ["--json", str(json_file.absolute())] if json_file else []
    command = [str(ready.host.python), str(program), *names, *options]
    return subprocess.run(command, cwd=layout.root, env=environment, check=False).returncode
