"""What each command needs before it can start, and the choice of the embedded host or the user's."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from tools.dev.base_folder import base_step, text_encoder_step
from tools.dev.host_environment import build_tools, environment_step, python_step, tools_folder
from tools.dev.host_source import host_source_step
from tools.dev.interpreters import Interpreter, ask, remember, remembered
from tools.dev.layout import Layout, venv_python
from tools.dev.steps import ProgressLine, Step, StepFailed, describe, run_steps
from tools.dev.typescript import typescript_step


class Need(Enum):
    """The parts a command may ask for beyond the host itself."""

    TOOLS = auto()  # pytest and the other test tools
    TYPESCRIPT = auto()  # the type checker of the page's modules; asked for along with TOOLS
    BASE = auto()  # a folder the host can work in
    PROMPTS = auto()  # the text encoder of the demo model


@dataclass(frozen=True)
class Host:
    """A ComfyUI that can be started: its source, the interpreter that runs it, and what that can use.

    `stand_ins`: modules for packages it imports at once and the interpreter lacks; None where it lacks none.
    """

    source: Path
    python: Path
    has_accelerator: bool
    stand_ins: Path | None = None


@dataclass(frozen=True)
class Ready:
    """A set-up that is done."""

    layout: Layout
    host: Host
    tools: Path | None


@dataclass(frozen=True)
class Choice:
    """Which host and interpreter to use, and whether they are the embedded ones."""

    source: Path
    python: Path
    is_embedded_source: bool
    is_embedded_python: bool


def choose(layout: Layout) -> Choice:
    """Read RACK_HOST and RACK_PYTHON; either may be given alone. Ends the program on a wrong one."""
    source, python = os.environ.get("RACK_HOST"), os.environ.get("RACK_PYTHON")
    choice = Choice(
        # Not resolved: a virtual environment's interpreter is a link, and following it loses the environment.
        source=Path(source).absolute() if source else layout.host_source,
        python=Path(python).absolute() if python else venv_python(layout.venv),
        is_embedded_source=not source,
        is_embedded_python=not python,
    )
    if source and not (choice.source / "main.py").is_file():
        raise SystemExit(f"RACK_HOST={source}: no main.py there; it must be a ComfyUI checkout.")
    if python and not choice.python.is_file():
        raise SystemExit(f"RACK_PYTHON={python}: no such file; it must be a Python interpreter.")
    return choice


def set_up(layout: Layout, *needs: Need) -> Ready:
    """Do what is missing for a command with these needs. Uses no network when nothing is missing."""
    layout.rack.mkdir(exist_ok=True)
    choice = choose(layout)
    steps = []
    if choice.is_embedded_python:
        steps += [python_step(layout)]
    if choice.is_embedded_source or choice.is_embedded_python:
        steps += [host_source_step(layout)]
    if choice.is_embedded_python:
        steps += [environment_step(layout)]
    steps += [_device_step(layout, choice)]
    if Need.TOOLS in needs:
        steps += [_tools_step(layout, choice.python)]
    if Need.TYPESCRIPT in needs:
        steps += [typescript_step(layout, lambda: tools_folder(layout, _said(choice.python, layout).python))]
    if Need.BASE in needs:
        steps += [base_step(layout)]
    if Need.PROMPTS in needs:
        steps += [text_encoder_step(layout, choice.python)]
    run_steps(steps, layout)
    said = _said(choice.python, layout)
    tools = tools_folder(layout, said.python) if Need.TOOLS in needs else None
    # The embedded host does without torchaudio, and says so; later ones end when they cannot import it.
    lacks = not (choice.is_embedded_source or said.has_torchaudio)
    stand_ins = layout.root / "tools" / "stand_ins" if lacks else None
    return Ready(layout, Host(choice.source, choice.python, said.has_accelerator, stand_ins), tools)


def _device_step(layout: Layout, choice: Choice) -> Step:
    def build(_: ProgressLine) -> None:
        remember(choice.python, ask(choice.python), layout)

    return Step("device", is_done=lambda: remembered(choice.python, layout) is not None, build=build)


def _tools_step(layout: Layout, python: Path) -> Step:
    def folder() -> Path:
        return tools_folder(layout, _said(python, layout).python)

    return Step(
        "test tools",
        is_done=lambda: remembered(python, layout) is not None and folder().is_dir(),
        build=lambda line: build_tools(layout, python, folder(), line),
    )


def _said(python: Path, layout: Layout) -> Interpreter:
    said = remembered(python, layout)
    if said is None:
        failure = StepFailed(f"{python} was not asked for its device", "Run the same command again.")
        raise SystemExit(describe("device", failure, layout))
    return said
