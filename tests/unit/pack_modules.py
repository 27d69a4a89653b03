"""Modules of the pack that need no host, imported as parts of it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_NAME = "rack_without_host"


def pack_module(name: str) -> Any:
    """The module of a dotted name under the root, with relative imports that work; __init__.py is not run."""
    if _NAME not in sys.modules:
        package = ModuleType(_NAME)
        package.__path__ = [str(ROOT)]
        sys.modules[_NAME] = package
    return importlib.import_module(f"{_NAME}.{name}")
