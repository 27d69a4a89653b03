"""The layout of the code, held by a test: who may import whom, no cycles, files and functions of a size."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE = sorted((ROOT / "lora_core").rglob("*.py"))
NODES = sorted((ROOT / "nodes").rglob("*.py"))
CODE = [ROOT / "__init__.py", ROOT / "dev.py", *CORE, *NODES]
CODE += [
    path for folder in ("tools", "benchmarks", "tests") for path in sorted((ROOT / folder).rglob("*.py"))
]

HOST_MODULES = {"comfy", "comfy_api", "comfy_execution", "execution", "folder_paths", "nodes", "server"}
CORE_PACKAGES = {"numpy", "safetensors", "torch"}
DOORS = {"nodes/host": HOST_MODULES, "nodes/routes": {"server"}}  # a module or a package of them

MAX_FILE_LINES = 350
MAX_FUNCTION_LINES = 60


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _imports(path: Path) -> Iterator[str]:
    """Absolute module names a file imports; relative ones resolved to names under the root."""
    package = _name(path).removesuffix(".py").removesuffix("/__init__").split("/")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1]
            module = node.module.split(".") if node.module else []
            for alias in node.names:
                longest = ROOT.joinpath(*base, *module, alias.name)
                is_module = longest.is_dir() or longest.with_suffix(".py").is_file()
                yield ".".join([*base, *module, alias.name] if is_module else [*base, *module])


def _top(module: str) -> str:
    return module.partition(".")[0]


@pytest.mark.parametrize("path", CORE, ids=_name)
def test_the_core_knows_neither_the_host_nor_the_nodes(path: Path) -> None:
    allowed = CORE_PACKAGES | {"lora_core"} | set(sys.stdlib_module_names)
    assert {_top(module) for module in _imports(path)} <= allowed


@pytest.mark.parametrize("path", NODES, ids=_name)
def test_only_the_doors_import_the_host(path: Path) -> None:
    source = ast.parse(path.read_text(encoding="utf-8"))
    absolute = {
        _top(alias.name) for node in ast.walk(source) if isinstance(node, ast.Import) for alias in node.names
    }
    absolute |= {
        _top(node.module or "")
        for node in ast.walk(source)
        if isinstance(node, ast.ImportFrom) and not node.level
    }
    door = "/".join(_name(path).removesuffix(".py").split("/")[:2])
    assert absolute & HOST_MODULES <= DOORS.get(door, set())


def test_nothing_imports_in_a_circle() -> None:
    graph = {
        _name(p).removesuffix(".py").removesuffix("/__init__").replace("/", "."): set(_imports(p))
        for p in CORE + NODES
    }
    remaining = {module: imported & graph.keys() - {module} for module, imported in graph.items()}
    while free := {module for module, imported in remaining.items() if not imported & remaining.keys()}:
        remaining = {module: imported for module, imported in remaining.items() if module not in free}
    assert remaining == {}


@pytest.mark.parametrize("path", CODE, ids=_name)
def test_files_and_functions_fit_the_eye(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_FILE_LINES
    functions = [
        n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    long = {
        f.name: (f.end_lineno or 0) - f.lineno
        for f in functions
        if (f.end_lineno or 0) - f.lineno >= MAX_FUNCTION_LINES
    }
    assert long == {}


def test_every_error_stands_in_the_tree_drawn_on_top() -> None:
    from lora_core import errors

    classes = {c.__name__ for c in vars(errors).values() if isinstance(c, type) and issubclass(c, Exception)}
    assert errors.__doc__ is not None
    drawn = {
        word for word in errors.__doc__.replace("├──", " ").replace("└──", " ").split() if word in classes
    }
    assert drawn == classes
