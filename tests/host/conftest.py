"""The host ring: the real ComfyUI in this process, the pack loaded the way the host loads it.

The repository's root must not be on sys.path here: its folder `nodes` would hide the host's module.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOST = Path(os.environ["RACK_HOST_DIR"])

sys.path[:] = [str(HOST)] + [p for p in sys.path if Path(p or ".").resolve() != ROOT]
_arguments, sys.argv = sys.argv, ["host", "--cpu"]
import comfy.options  # noqa: E402

comfy.options.enable_args_parsing()
import comfy.cli_args  # noqa: E402

sys.argv = _arguments

import folder_paths  # noqa: E402


def _load_pack() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "lora_rack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["lora_rack"] = module
    spec.loader.exec_module(module)
    return module


PACK = _load_pack()


@pytest.fixture(scope="session")
def pack() -> ModuleType:
    """The pack's root module."""
    return PACK


@pytest.fixture
def lora_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only loras folder the host knows during a test."""
    folder = tmp_path / "loras"
    folder.mkdir()
    extensions = folder_paths.folder_names_and_paths["loras"][1]
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "loras", ([str(folder)], extensions))
    folder_paths.filename_list_cache.pop("loras", None)
    yield folder
    folder_paths.filename_list_cache.pop("loras", None)
