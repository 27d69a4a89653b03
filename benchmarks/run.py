"""`dev.py bench [NAME…] [--json FILE]`: ratios against the host in the same run, as a table and as JSON.

Runs in the host's interpreter. `ratio` is always the other way's time over ours, above 1 when ours is faster.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(
    0, str(HERE.parent / "tests" / "host")
)  # the models and files of the host ring serve here too

import in_host  # noqa: E402

in_host.enter_host()

NAMES = ("patch", "floor", "reweight", "load", "grammar", "blocks", "live", "sweep", "saving")
ON_DEMAND = ("loop", "soak")  # with a host of their own, for minutes and for hours


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"any of: {', '.join(NAMES)}, which is the default; or {', '.join(ON_DEMAND)}",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write {name: {case: {figure: number}}} there"
    )
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in NAMES + ON_DEMAND]
    if unknown:
        parser.error(
            f"no benchmark is called {', '.join(unknown)}; there are: {', '.join(NAMES + ON_DEMAND)}"
        )
    results: dict[str, dict[str, dict[str, float]]] = {}
    for name in arguments.names or NAMES:
        results[name] = {}
        for case, figures in importlib.import_module(name).run():
            results[name][case] = figures
            print(
                f"{name} {case:<14} " + "  ".join(f"{key} {value:.3g}" for key, value in figures.items()),
                flush=True,
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(_rounded(results), indent=1) + "\n", encoding="utf-8")
    return 0


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return float(f"{value:.4g}")


if __name__ == "__main__":
    sys.exit(main())
