"""The largest errors the oracles' tests recorded, as the table of docs/adapters.md.

python -m pytest tests/unit --junitxml=unit.xml        (and the host ring likewise)
python tests/unit/error_table.py unit.xml host.xml
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

ORACLES = ("LyCORIS", "PEFT", "ComfyUI")


def largest_errors(reports: Iterable[Path]) -> dict[str, dict[str, float]]:
    """Kind → oracle → the largest relative error of any test about the two."""
    errors: dict[str, dict[str, float]] = {}
    for report in reports:
        for case in ElementTree.parse(report).iter("testcase"):
            found = {p.get("name"): p.get("value", "") for p in case.iter("property")}
            if {"kind", "oracle", "largest_relative_error"} <= found.keys():
                row = errors.setdefault(found["kind"], {})
                error = float(found["largest_relative_error"])
                row[found["oracle"]] = max(error, row.get(found["oracle"], 0.0))
    return errors


def table(errors: dict[str, dict[str, float]]) -> str:
    """Markdown, a kind a row and an oracle a column."""
    lines = [f"| kind | {' | '.join(ORACLES)} |", f"|---|{'--:|' * len(ORACLES)}"]
    for kind, row in errors.items():
        cells = [f"{row[oracle]:.1e}" if oracle in row else "–" for oracle in ORACLES]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(largest_errors(map(Path, sys.argv[1:]))))
