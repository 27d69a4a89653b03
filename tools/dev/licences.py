"""Write docs/licences.md: what the pack, its tests and the embedded host install, and under which licence.

    python -m tools.dev.licences FILE

By the packages' own metadata in this interpreter, with the test tools on PYTHONPATH. What is not installed,
such as a package for Windows alone, keeps what FILE says of it already.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from tools.dev.layout import Layout, this_checkout
from tools.dev.stamps import write_whole

UNKNOWN = "not installed here"
_LONGEST = 60
_INTRO = """\
# Licences

What is installed around the pack, and under which licence by its own metadata.
`python -m tools.dev.licences FILE` writes this page. The pack itself is GPL-3.0 and contains no code of these
packages.
"""
_SECTIONS = {
    "The pack": "What `requirements.txt` names. ComfyUI needs all of it too.",
    "The tests": "`tools/pins/tests.in`, in a folder that only tests see.",
    "The page's types": "`tools/pins/typescript`, for type checks only.",
    "The embedded ComfyUI": "`tools/pins/host.txt`, for `dev.py` alone.",
}


def sections(layout: Layout) -> Iterator[tuple[str, list[str]]]:
    """The packages of each section, in the order of the page."""
    lists = (layout.root / "requirements.txt", layout.pins / "tests.in", None, layout.pins / "host.txt")
    for title, path in zip(_SECTIONS, lists, strict=True):
        yield title, ["typescript"] if path is None else names_in(path)


def names_in(path: Path) -> list[str]:
    """The packages a requirements file names, each once."""
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return sorted({re.split(r"[\s=<>~!;\[]", line, maxsplit=1)[0].lower() for line in lines if line})


def main(out: Path) -> None:
    """Write the page."""
    layout = this_checkout()
    known = dict(_rows(out)) if out.exists() else {}
    text = _INTRO
    for title, names in sections(layout):
        text += f"\n## {title}\n\n{_SECTIONS[title]}\n\n| package | licence |\n|---|---|\n"
        for name in names:
            text += f"| {name} | {_licence(layout, name) or known.get(name, UNKNOWN)} |\n"
    write_whole(out, text)


def _rows(page: Path) -> Iterator[tuple[str, str]]:
    for line in page.read_text(encoding="utf-8").splitlines():
        _, *cells, _ = line.split("|") if line.startswith("| ") else ("", "", "")
        if len(cells) == 2:
            yield cells[0].strip(), cells[1].strip()


def _licence(layout: Layout, name: str) -> str:
    if name == "typescript":
        lock = json.loads((layout.pins / "typescript" / "package-lock.json").read_text(encoding="utf-8"))
        return str(lock["packages"]["node_modules/typescript"]["license"])
    try:
        said = metadata(name)
    except PackageNotFoundError:
        return ""
    classified = [
        value.rpartition(" :: ")[2]
        for value in said.get_all("Classifier") or ()
        if value.startswith("License")
    ]
    first = _first(said.get_all("License")).strip().partition("\n")[0]
    free = first if 0 < len(first) <= _LONGEST else ""
    return (
        _first(said.get_all("License-Expression"))
        or free
        or ", ".join(classified)
        or "its metadata names none"
    )


def _first(values: Sequence[str] | None) -> str:
    return values[0] if values else ""


if __name__ == "__main__":
    main(Path(sys.argv[1]))
