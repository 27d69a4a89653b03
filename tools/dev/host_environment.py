"""The two package sets: the host's virtual environment, and the test tools in a folder beside it.

The tools never enter the environment, so the same mechanism serves a user's own interpreter and leaves it
alone.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from tools.dev.host_source import WHEEL_SHA256
from tools.dev.interpreters import clean_environment, pip_command, require_venv_support
from tools.dev.layout import Layout, venv_python
from tools.dev.stamps import (
    digest,
    is_stamped,
    pinned_lines,
    read_stamp,
    remove_folder,
    remove_stamp,
    write_stamp,
    write_whole,
)
from tools.dev.steps import CommandFailed, ProgressLine, Step, StepFailed, run_logged

# torchaudio is only for the host's audio nodes; requests is used by the host and missing in its list.
LEFT_OUT = ("torchaudio",)
ADDED = ("requests",)
ROOM_GIB = 8

_ADVICE = (
    "Check the network and free space, then run the same command again; finished downloads are not repeated."
)


def python_step(layout: Layout) -> Step:
    def build(_: ProgressLine) -> None:
        require_venv_support()

    return Step(
        f"python {sys.version_info.major}.{sys.version_info.minor}",
        is_done=lambda: _environment_is_done(layout),
        build=build,
    )


def environment_step(layout: Layout) -> Step:
    return Step(
        "host environment",
        is_done=lambda: _environment_is_done(layout),
        build=lambda line: _build_environment(layout, line),
    )


def environment_inputs(layout: Layout) -> str:
    """The fingerprint of all that decides what is in the environment."""
    return digest(WHEEL_SHA256, pinned_lines(layout.pins / "host.txt"), *LEFT_OUT, "+", *ADDED)


def requirements(host_requirements: str) -> str:
    """The host's own list, less what is left out, with what is added."""
    lines = (line.strip() for line in host_requirements.splitlines())
    kept = [line for line in lines if line and not line.startswith("#") and _project(line) not in LEFT_OUT]
    return "\n".join([*kept, *ADDED]) + "\n"


def _project(requirement: str) -> str:
    return re.split(r"[\s=<>~!;\[]", requirement, maxsplit=1)[0].lower()


def _environment_is_done(layout: Layout) -> bool:
    return venv_python(layout.venv).exists() and is_stamped(layout.venv, environment_inputs(layout))


def _build_environment(layout: Layout, line: ProgressLine) -> None:
    _require_room(layout.rack)
    log = layout.logs / "host-environment.log"
    log.unlink(missing_ok=True)
    # A moved environment has scripts that point nowhere, so it is made in place. One without a stamp was
    # interrupted, and pip would take its half-installed packages for whole: it is made anew.
    was_complete = bool(read_stamp(layout.venv)) and venv_python(layout.venv).exists()
    remove_stamp(layout.venv)
    if not was_complete:
        remove_folder(layout.venv)
        _run([sys.executable, "-m", "venv", layout.venv], "making the virtual environment", log, line)
    wanted = layout.rack / "host-requirements.txt"
    listed = (layout.host_source / "requirements.txt").read_text(encoding="utf-8")
    write_whole(wanted, requirements(listed))
    python = venv_python(layout.venv)
    command: list[str | Path] = [python, "-m", "pip", "install", "--progress-bar", "off", "--no-compile"]
    _run([*command, "-r", wanted, "-c", layout.pins / "host.txt"], "pip install", log, line)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    write_stamp(layout.venv, environment_inputs(layout), python=version)


def _require_room(folder: Path) -> None:
    free_gib = shutil.disk_usage(folder).free / 2**30
    if free_gib < ROOM_GIB:
        raise StepFailed(
            f"only {free_gib:.1f} GiB are free in {folder}; the environment needs up to {ROOM_GIB} GiB",
            "Make room, or use the environment of a ComfyUI you have: RACK_PYTHON=PATH (and RACK_HOST=DIR).",
        )


def tools_folder(layout: Layout, python_version: str) -> Path:
    """Where the test tools for this Python version are; some of them are compiled for one version."""
    inputs = digest(pinned_lines(layout.pins / "tests.in"), python_version)
    return layout.rack / f"tools-{inputs}"


def build_tools(layout: Layout, python: Path, folder: Path, line: ProgressLine) -> None:
    """Install the pinned test tools with `python`'s pip; the folder appears only when it is complete."""
    partial = folder.with_name(folder.name + ".partial")
    remove_folder(partial)
    log = layout.logs / "test-tools.log"
    log.unlink(missing_ok=True)
    pip = pip_command(python, layout, line)
    command: list[str | Path] = [*pip, "install", "--no-deps", "--progress-bar", "off", "--target", partial]
    _run([*command, "--require-hashes", "-r", layout.pins / "tests.txt"], "pip install", log, line)
    partial.replace(folder)


def _run(command: list[str | Path], what: str, log: Path, line: ProgressLine) -> None:
    try:
        run_logged(command, log, line, env=clean_environment())
    except CommandFailed as failure:
        raise failure.as_step_failed(what, _ADVICE) from failure
