"""`dev.py record-host`: writes tests/hosts/VERSION.json.xz and says what of the host no entry of ours covers.

Runs in the host's interpreter as the module host_record.run, with tests/host on the path.
"""

from __future__ import annotations

import importlib
import json
import lzma
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

importlib.import_module("in_host").enter_host()

import torch  # noqa: E402

from . import encoders, models, samplers, signatures  # noqa: E402


def main(folder: Path) -> int:
    version: str = importlib.import_module("comfyui_version").__version__
    recorded: dict[str, Any] = {}
    absent: list[str] = []
    failed: dict[str, str] = {}
    _record(models.configurations(), "", models.record, recorded, absent, failed)
    _record(encoders.entries(), "te_", encoders.record, recorded, absent, failed)
    recorded["samplers"] = samplers.record()
    recorded["signatures"] = {"kind": "signatures", **signatures.record(ROOT / "nodes")}
    missing = {"models": models.missing(), "encoders": encoders.missing(), "failed": failed}
    recorded["missing"] = {"kind": "missing", **missing}
    for entry in recorded.values():
        entry["host"] = version
    path = folder / f"{version}.json.xz"
    path.write_bytes(_packed(recorded))
    _say(path, recorded, absent, missing)
    return 0


def _record(
    names: Iterable[str],
    prefix: str,
    record: Callable[[str], dict[str, Any]],
    recorded: dict[str, Any],
    absent: list[str],
    failed: dict[str, str],
) -> None:
    for name in names:
        try:
            recorded[prefix + name] = record(name)
        except models.NotOfThisHost:
            absent.append(prefix + name)
        except Exception as error:
            # One class that cannot be built must not cost the record of the others; it is listed as missing.
            failed[prefix + name] = f"{type(error).__name__}: {error}"


def _packed(recorded: dict[str, Any]) -> bytes:
    """The same record gives the same bytes."""
    text = json.dumps(recorded, indent=0, sort_keys=True, default=_text)
    return lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME)


def _text(value: Any) -> str:
    if isinstance(value, torch.dtype):
        return str(value)
    raise TypeError(f"a record cannot hold {value!r}")


def _say(path: Path, recorded: dict[str, Any], absent: list[str], missing: dict[str, Any]) -> None:
    names = [name for name, entry in recorded.items() if "keys" in entry]
    encoded = sum(name.startswith("te_") for name in names)
    size = path.stat().st_size
    print(f"{path}: {len(names) - encoded} models, {encoded} text encoders, {size} bytes")
    if absent:
        print(f"not of this host: {', '.join(absent)}")
    for name in missing["models"]:
        print(f"MISSING model class {name}: add it to tools/host_record/models.json")
    for name in missing["encoders"]:
        print(f"MISSING text encoder {name}: add it to tools/host_record/encoders.json")
    for name, why in missing["failed"].items():
        print(f"MISSING {name} could not be built: {why}")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
