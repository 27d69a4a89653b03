"""Where everything lives: the repository, and the git-ignored folder that holds all that set-up makes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

PACK = "ComfyUI-LoRA-Rack"
HOST_VERSION = "0.3.75"


@dataclass(frozen=True)
class Layout:
    """The paths of one checkout. Nothing outside `rack` is ever written by set-up."""

    root: Path

    @property
    def rack(self) -> Path:
        return self.root / ".rack"

    @property
    def host_source(self) -> Path:
        return self.rack / f"host-{HOST_VERSION}"

    @property
    def venv(self) -> Path:
        return self.rack / "venv"

    @property
    def base(self) -> Path:
        return self.rack / "base"

    @property
    def bytecode(self) -> Path:
        """What Python compiles for the programs we start; a folder made by the first of them."""
        return self.rack / "bytecode"

    @property
    def logs(self) -> Path:
        return self.rack / "logs"

    @property
    def pins(self) -> Path:
        return self.root / "tools" / "pins"

    @property
    def demo(self) -> Path:
        return self.root / "demo"

    def shown(self, path: Path) -> str:
        """`path` as a person in the repository would type it."""
        try:
            return str(path.relative_to(self.root))
        except ValueError:
            return str(path)


def this_checkout() -> Layout:
    """The checkout this file belongs to."""
    return Layout(Path(__file__).resolve().parents[2])


def venv_python(venv: Path) -> Path:
    """The interpreter inside a virtual environment."""
    return venv / "Scripts" / "python.exe" if os.name == "nt" else venv / "bin" / "python"
