"""The host ring: the real ComfyUI in this process, with the pack loaded."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import in_host
import pytest

in_host.enter_host()

import comfy.model_management  # noqa: E402
import comfy.model_patcher  # noqa: E402
import folder_paths  # noqa: E402

# One of the two says that the host has no dynamic memory; the other tests it where it has.
HAS_DYNAMIC_MEMORY = hasattr(comfy.model_patcher, "ModelPatcherDynamic")
collect_ignore = [
    "test_without_dynamic_memory.py" if HAS_DYNAMIC_MEMORY else "test_dynamic_memory.py",
]


@pytest.fixture(scope="session")
def pack() -> ModuleType:
    """The pack's root module."""
    return in_host.load_pack()


@pytest.fixture(scope="session")
def core(pack: ModuleType) -> ModuleType:
    """The core as the pack has loaded it: a copy under the root's name would have classes of its own."""
    for name in ("adapters", "applying", "blocks", "key_maps", "reading", "reports"):
        importlib.import_module(f"{pack.__name__}.lora_core.{name}")
    return importlib.import_module(f"{pack.__name__}.lora_core")


@pytest.fixture
def lora_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The only loras folder the host knows during a test."""
    folder = tmp_path / "loras"
    folder.mkdir()
    extensions = folder_paths.folder_names_and_paths["loras"][1]
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "loras", ([str(folder)], extensions))
    folder_paths.filename_list_cache.pop("loras", None)
    yield folder
    folder_paths.filename_list_cache.pop("loras", None)


@pytest.fixture(autouse=True)
def _unpatched_models() -> Iterator[None]:
    """Tests share models (layouts.load): none finds one as an earlier test had patched it."""
    yield
    comfy.model_management.unload_all_models()


@pytest.fixture
def no_vram(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The host keeps every weight elsewhere and brings it over when it is needed, as with --novram."""
    management = comfy.model_management
    management.unload_all_models()
    monkeypatch.setattr(management, "is_device_cpu", lambda device: False)
    monkeypatch.setattr(management, "vram_state", management.VRAMState.NO_VRAM)
    yield
    monkeypatch.undo()
    management.unload_all_models()
