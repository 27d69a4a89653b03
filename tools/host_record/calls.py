"""What the pack's source calls of the host: every dotted name of the host's modules, with its arguments.

Read with the standard library alone, so that the unit ring can hold the calls to a recorded host.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HOST_MODULES = ("comfy", "comfy_execution", "comfy_api", "folder_paths", "execution", "server")


@dataclass(frozen=True)
class Call:
    """A place that names something of the host; `arguments` is None where it is not called.

    `arguments`: how many by position and which by name; a `*` or `**` makes `is_open` true.
    """

    name: str
    file: str
    line: int
    arguments: tuple[int, tuple[str, ...]] | None
    is_open: bool = False


def host_calls(folder: Path) -> list[Call]:
    """Every mention of the host in the Python files of a folder, by file and line."""
    found: list[Call] = []
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += _calls(tree, _imported(tree), path.relative_to(folder).as_posix())
    return found


def method_calls(folder: Path) -> list[Call]:
    """Every call of a method, under the name it is called by: `model.clone()` is `model.clone`."""
    found: list[Call] = []
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        host = _imported(tree)
        for node in ast.walk(tree):
            function = node.func if isinstance(node, ast.Call) else None
            if isinstance(function, ast.Attribute) and _dotted(function, host) is None:
                name = f"{_last_name(function.value)}.{function.attr}"
                found.append(_call(name, path.relative_to(folder).as_posix(), node))  # type: ignore[arg-type]
    return found


def _imported(tree: ast.AST) -> dict[str, str]:
    """Name in the file → dotted name of the host."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                names[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return {name: path for name, path in names.items() if path.partition(".")[0] in HOST_MODULES}


def _calls(tree: ast.AST, imported: dict[str, str], file: str) -> Iterator[Call]:
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    called = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if id(node) in inner or not isinstance(node, ast.Attribute | ast.Name):
            continue
        name = _dotted(node, imported)
        if name is not None and id(node) in called:
            yield _call(name, file, called[id(node)])
        elif name is not None and isinstance(node.ctx, ast.Load):
            yield Call(name, file, node.lineno, None)


def _call(name: str, file: str, node: ast.Call) -> Call:
    positional = [argument for argument in node.args if not isinstance(argument, ast.Starred)]
    named = tuple(word.arg for word in node.keywords if word.arg is not None)
    is_open = len(positional) < len(node.args) or len(named) < len(node.keywords)
    return Call(name, file, node.lineno, (len(positional), named), is_open)


def _dotted(node: ast.expr, imported: dict[str, str]) -> str | None:
    if isinstance(node, ast.Name):
        return imported.get(node.id)
    if isinstance(node, ast.Attribute):
        base = _dotted(node.value, imported)
        return f"{base}.{node.attr}" if base is not None else None
    return None


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
