"""The tables of docs/hosts.md: the recorded hosts, and what each has that the one before has not.

`python tests/unit/host_table.py` brings the document up to date; a test says when.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise

import recorded_hosts
from recorded_hosts import ROOT, VERSIONS

DOCUMENT = ROOT / "docs" / "hosts.md"
_MARKED = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def current(text: str) -> str:
    """The document with its tables as they should be."""
    tables = {"hosts": hosts_table(), "differences": differences()}
    return _MARKED.sub(lambda found: f"{found[1]}{tables[found[2]]}\n{found[3]}", text)


def hosts_table() -> str:
    """A row per recorded host: how much of it is recorded."""
    lines = [
        "| ComfyUI | model classes | variants | text encoders | samplers | schedulers |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for version in VERSIONS:
        names, sampling = recorded_hosts.models(version), recorded_hosts.recorded(version)["samplers"]
        variants = sum("__" in name for name in names)
        counts = (
            len(names) - variants,
            variants,
            len(recorded_hosts.encoders(version)),
            len(sampling["samplers"]),
            len(sampling["schedulers"]),
        )
        lines.append(f"| {version} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


def differences() -> str:
    """A table per pair of neighbours."""
    return "\n\n".join(_between(before, after) for before, after in pairwise(VERSIONS))


def _between(before: str, after: str) -> str:
    lines = [f"**From {before} to {after}**", "", "| what | which |", "|---|---|"]
    old, new = recorded_hosts.models(before), recorded_hosts.models(after)
    encoders = [{name.removeprefix("te_") for name in recorded_hosts.encoders(v)} for v in (before, after)]
    samplers = [set(recorded_hosts.recorded(v)["samplers"]["samplers"]) for v in (before, after)]
    rows = {
        "new model classes": new.keys() - old.keys(),
        "model classes gone": old.keys() - new.keys(),
        "new text encoders": encoders[1] - encoders[0],
        "text encoders gone": encoders[0] - encoders[1],
        "new samplers": samplers[1] - samplers[0],
        "samplers gone": samplers[0] - samplers[1],
        **_weights(before, after),
    }
    lines += [f"| {what} | {_listed(names)} |" for what, names in rows.items() if names]
    return "\n".join(lines)


def _weights(before: str, after: str) -> dict[str, set[str]]:
    """What became of the weights of classes both have → the classes."""
    rows: defaultdict[str, set[str]] = defaultdict(set)
    old, new = recorded_hosts.models(before), recorded_hosts.models(after)
    for name in old.keys() & new.keys():
        gone, come = (
            set(one[name]["keys"]) - set(other[name]["keys"]) for one, other in ((old, new), (new, old))
        )
        for key in gone:
            path, _, last = key.rpartition(".")
            renamed = [other for other in come if other.rpartition(".")[0] == path]
            short = re.sub(r"\.\d+$", "~", path).rpartition(".")[2].replace("~", ".N")
            what = (
                f"`…{short}.{last}` is `.{renamed[0].rpartition('.')[2]}`" if renamed else f"`{key}` is gone"
            )
            rows[what].add(name)
            come -= set(renamed)
        for key in come:
            rows[f"`{key}` is new"].add(name)
    return dict(sorted(rows.items()))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names, key=str.lower))


if __name__ == "__main__":
    DOCUMENT.write_text(current(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
