"""The layout of the code, held by a test: who may import whom, no cycles, files and functions of a size."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lora_core import LAYERS

ROOT = Path(__file__).resolve().parents[2]
CORE = sorted((ROOT / "lora_core").rglob("*.py"))
NODES = sorted((ROOT / "nodes").rglob("*.py"))
CODE = [ROOT / "__init__.py", ROOT / "dev.py", *CORE, *NODES]
CODE += [
    path for folder in ("tools", "benchmarks", "tests") for path in sorted((ROOT / folder).rglob("*.py"))
]

HOST_MODULES = {"comfy", "comfy_api", "comfy_execution", "execution", "folder_paths", "nodes", "server"}
CORE_PACKAGES = {"numpy", "safetensors", "torch"}
OPTIONAL = {"lora_core/fetching/hugging_face.py": {"huggingface_hub"}}  # imported when it is used
DOORS = {"nodes/host": HOST_MODULES, "nodes/page": {"server"}}

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
    allowed = CORE_PACKAGES | OPTIONAL.get(_name(path), set()) | {"lora_core"} | set(sys.stdlib_module_names)
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


def _layer(module: str) -> str:
    """The folder or module at the core's top level that `module`, a dotted name, is in."""
    return module.split(".")[1]


def test_every_unit_of_the_core_has_a_layer() -> None:
    units = {_name(path).split("/")[1].removesuffix(".py") for path in CORE} - {"__init__"}
    assert sorted(units) == sorted(LAYERS)


@pytest.mark.parametrize("path", CORE, ids=_name)
def test_the_core_never_imports_upward(path: Path) -> None:
    if path == ROOT / "lora_core" / "__init__.py":
        return
    mine = LAYERS.index(_name(path).split("/")[1].removesuffix(".py"))
    imported = {_layer(module) for module in _imports(path) if module.startswith("lora_core.")}
    assert [layer for layer in imported if LAYERS.index(layer) > mine] == []


@pytest.mark.parametrize("path", CORE + NODES, ids=_name)
def test_a_folder_is_entered_by_its_public_surface(path: Path) -> None:
    """What another folder of the core may use stands in its `__all__`."""
    home = ".".join(_name(path).split("/")[:2])
    foreign = {m for m in _imports(path) if m.startswith("lora_core.") and not f"{m}.".startswith(f"{home}.")}
    assert {module for module in foreign if module.count(".") > 1} == set()


@pytest.mark.parametrize("folder", [layer for layer in LAYERS if (ROOT / "lora_core" / layer).is_dir()])
def test_a_public_surface_is_what_others_use(folder: str) -> None:
    surface = importlib.import_module(f"lora_core.{folder}")
    assert sorted(set(surface.__all__)) == sorted(surface.__all__)
    assert [name for name in surface.__all__ if not hasattr(surface, name)] == []


def test_a_public_class_has_its_name_for_itself() -> None:
    homes: dict[str, list[str]] = {}
    for path in CORE:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(_name(path))
    assert {name: paths for name, paths in homes.items() if len(paths) > 1} == {}


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
