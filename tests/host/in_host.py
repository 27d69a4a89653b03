"""Enter the real host in this process, and load the pack the way the host loads it.

The repository's root must not be on sys.path here: its folder `nodes` would hide the host's module.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
PACK_NAME = "lora_rack"


def enter_host() -> None:
    """Make `import comfy` work. The folder of the host is RACK_HOST_DIR, its device chosen by RACK_CPU."""
    host = Path(os.environ["RACK_HOST_DIR"])
    kept = [path for path in sys.path if Path(path or ".").resolve() != ROOT]
    sys.path[:] = [str(host), *kept, str(ROOT / "tools")]  # tools: how the recorder builds the host's models
    arguments, sys.argv = sys.argv, ["host", *(["--cpu"] if os.environ.get("RACK_CPU", "1") == "1" else [])]
    try:
        # The host reads its command line when its modules are first imported, and only if told to.
        import comfy.options

        comfy.options.enable_args_parsing()
        import comfy.cli_args

        # Early, as in main.py: the host's nodes.py puts comfy/ first on the path, which has a utils.py too.
        importlib.import_module("utils.install_util")
    finally:
        sys.argv = arguments


def load_pack() -> ModuleType:
    """The pack's root module, loaded by path under a name of its own."""
    if PACK_NAME in sys.modules:
        return sys.modules[PACK_NAME]
    spec = importlib.util.spec_from_file_location(
        PACK_NAME, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[PACK_NAME] = module
    spec.loader.exec_module(module)
    return module
