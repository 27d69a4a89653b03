"""Interpreters: can this one make environments, how to call pip for one, what can torch in one use."""

from __future__ import annotations

import glob
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.dev.layout import Layout, this_checkout, venv_python
from tools.dev.stamps import write_whole
from tools.dev.steps import CommandFailed, ProgressLine, StepFailed, run_logged

# Asked of an interpreter with `-c`; it prints one line of JSON.
_QUESTION = """
import importlib.util, json, os, sys, torch
device = "cpu"
if torch.cuda.is_available():
    device = "cuda"
elif getattr(torch.backends, "mps", None) is not None and torch.backends.mps.is_available():
    device = "mps"
elif getattr(torch, "xpu", None) is not None and torch.xpu.is_available():
    device = "xpu"
print(json.dumps({"device": device, "torch": torch.__version__, "torch_file": torch.__file__,
                  "python": "%d.%d" % sys.version_info[:2],
                  "has_torchaudio": importlib.util.find_spec("torchaudio") is not None}))
"""


@dataclass(frozen=True)
class Interpreter:
    """What one interpreter said about itself; `device` is cpu, cuda, mps or xpu."""

    device: str
    torch: str
    torch_file: str
    python: str
    has_torchaudio: bool

    @property
    def has_accelerator(self) -> bool:
        return self.device != "cpu"


def clean_environment(**extra: str) -> dict[str, str]:
    """This process's environment for another interpreter: without what would leak packages into it.

    Bytecode goes to a folder of ours, even where this process may write none: an interpreter that compiles
    torch and the host anew needs ten seconds more for every start.
    """
    leaky = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__", "PYTHONDONTWRITEBYTECODE"}
    kept = {name: value for name, value in os.environ.items() if name not in leaky}
    ours = {
        "PYTHONPYCACHEPREFIX": str(this_checkout().bytecode),
        # torch's threads otherwise spin while they wait for each other; beside another busy process a small
        # model's picture then takes ten times as long.
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    return {**ours, **kept, "PYTHONUTF8": "1", **extra}


def require_venv_support() -> None:
    """Raise StepFailed when this interpreter cannot make virtual environments (Debian splits that off)."""
    if all(importlib.util.find_spec(module) is not None for module in ("venv", "ensurepip")):
        return
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    raise StepFailed(
        f"{sys.executable} has no working venv module (ensurepip is missing)",
        f"On Debian and Ubuntu: sudo apt install python{version}-venv. Elsewhere: a Python from python.org.",
    )


def pip_command(python: Path, layout: Layout, line: ProgressLine) -> list[str]:
    """How to call pip for `python`: its own, or one borrowed by path when it has none."""
    own = [str(python), "-m", "pip"]
    asked = subprocess.run([*own, "--version"], capture_output=True, env=clean_environment(), check=False)
    if asked.returncode == 0:
        return own
    return [str(python), str(_borrowed_pip(layout, line))]


def _borrowed_pip(layout: Layout, line: ProgressLine) -> Path:
    require_venv_support()
    venv = layout.rack / "pip"
    log = layout.logs / "pip.log"
    question = "import os, pip; print(os.path.dirname(pip.__file__))"
    try:
        run_logged([sys.executable, "-m", "venv", venv], log, line, env=clean_environment())
    except CommandFailed as failure:
        raise failure.as_step_failed("making an environment for pip", "See the log.") from failure
    found = subprocess.run([venv_python(venv), "-c", question], capture_output=True, text=True, check=True)
    return Path(found.stdout.strip())


def ask(python: Path) -> Interpreter:
    """Start the interpreter, import torch there, and report; raises StepFailed."""
    try:
        answer = subprocess.run(
            [str(python), "-c", _QUESTION],
            capture_output=True,
            text=True,
            env=clean_environment(),
            check=False,
        )
    except OSError as error:
        raise StepFailed(
            f"{python} cannot be started: {error}", "Set RACK_PYTHON to an interpreter."
        ) from error
    if answer.returncode != 0:
        raise StepFailed(
            f"{python} cannot import torch",
            "Set RACK_PYTHON to the interpreter that runs your ComfyUI, or unset it to use the embedded one.",
            tail=answer.stderr.strip().splitlines()[-5:],
        )
    return Interpreter(**json.loads(answer.stdout.strip().splitlines()[-1]))


def remembered(python: Path, layout: Layout) -> Interpreter | None:
    """What `python` said last time, unless its torch or this machine's devices have changed since."""
    try:
        note = json.loads(_notebook(layout).read_text(encoding="utf-8"))[str(python)]
        interpreter = Interpreter(**note["said"])
        same = note["seen"] == _seen(interpreter.torch_file)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return interpreter if same else None


def remember(python: Path, said: Interpreter, layout: Layout) -> None:
    path = _notebook(layout)
    try:
        notes = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        notes = {}
    notes[str(python)] = {"said": asdict(said), "seen": _seen(said.torch_file)}
    write_whole(path, json.dumps(notes, indent=1) + "\n")


def _notebook(layout: Layout) -> Path:
    return layout.rack / "interpreters.json"


def _seen(torch_file: str) -> Sequence[str | int]:
    """Cheap signs that an earlier answer still holds: torch's own file, device nodes, what hides devices."""
    devices = sorted(glob.glob("/dev/nvidia[0-9]*") + glob.glob("/dev/kfd") + glob.glob("/dev/dri/render*"))
    hidden = [os.environ.get(name, "") for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")]
    return [os.stat(torch_file).st_mtime_ns, *devices, *hidden]
