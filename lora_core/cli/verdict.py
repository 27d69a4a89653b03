"""verdict: what Apply would say of LoRAs on a checkpoint, without a host."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from ..applying import FileVerdict, ModelNames, Verdict, judge_file
from ..errors import FileError
from ..key_maps import Target
from .output import add_json_option, print_error, print_json

_DESCRIPTION = (
    "Say what becomes of LoRAs on a checkpoint, from headers alone: what matches, what does not fit, for "
    "which family each was made. Without a file of text encoders, those usual for the model are assumed."
)


def add_to(commands: Any) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "verdict", help="say what LoRAs would do to a checkpoint", description=_DESCRIPTION
    )
    parser.add_argument("loras", nargs="+", type=Path, metavar="LORA")
    parser.add_argument(
        "--model",
        type=Path,
        required=True,
        metavar="CHECKPOINT",
        help="a checkpoint, a diffusion model, or one file of a split one; only its header is read",
    )
    parser.add_argument(
        "--clip",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a text encoder beside the model; repeat it",
    )
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """A paragraph a LoRA, or a JSON list; 1 when something does not fit, 2 when a file cannot be used."""
    names = ModelNames.of_files(options.model, options.clip)
    found = [judge_file(path, names) for path in options.loras]
    if options.json:
        print_json([_json(one) for one in found])
    else:
        _print(found)
    if any(isinstance(one.error, FileError) for one in found):
        return 2
    return 0 if all(one.fits for one in found) else 1


def _print(found: list[FileVerdict]) -> None:
    for one in found:
        if one.verdict is not None:
            print(one.verdict.describe())
        if one.error is not None:
            print_error(one.error)


def _json(one: FileVerdict) -> dict[str, Any]:
    verdict = one.verdict
    return {
        "file": str(one.path),
        "kind": one.kind,
        **(_nothing() if verdict is None else _details(verdict)),
        "error": None if one.error is None else str(one.error),
    }


def _nothing() -> dict[str, Any]:
    """The fields of a file that is no LoRA."""
    return {
        "formats": {},
        "rank": None,
        "families": [],
        "model_family": None,
        "layers": 0,
        "matched": 0,
        "unmatched": [],
        "misfits": [],
        "unknown_keys": [],
        "targets": {},
        "set": {},
        "applied_twice": [],
        "notes": [],
    }


def _details(verdict: Verdict) -> dict[str, Any]:
    lora = verdict.lora
    family = verdict.model_family
    found = {layer: _target(target) for part in verdict.parts for layer, target in part.match.layers.items()}
    return {
        "formats": {kind: ranks.total() for kind, ranks in lora.kinds.items()},
        "rank": _rank(verdict),
        "families": list(verdict.made_for.names),
        "model_family": None if family is None else family.title,
        "layers": verdict.layers,
        "matched": verdict.changed,
        "unmatched": [lora.said_as.get(layer, layer) for layer in verdict.unmatched],
        "misfits": [str(misfit) for misfit in verdict.misfits],
        "unknown_keys": list(lora.unknown_keys),
        "targets": {lora.said_as.get(n, n): place for n, place in found.items() if n not in lora.set_whole},
        "set": {name: place for name, place in found.items() if name in lora.set_whole},
        "applied_twice": sorted(key for part in verdict.parts for key in part.match.applied_twice),
        "notes": list(verdict.notes),
    }


def _rank(verdict: Verdict) -> int | None:
    """The commonest rank of a LoRA's layers; None where no format of it has one."""
    ranks = Counter[int]()
    for counts in verdict.lora.kinds.values():
        ranks.update({rank: count for rank, count in counts.items() if rank is not None})
    return ranks.most_common(1)[0][0] if ranks else None


def _target(target: Target) -> dict[str, Any]:
    """A weight, and the slice of it: `rows` of the outputs or `columns` of the inputs, as first and count."""
    dimension, start, length = target.offset or (None, 0, 0)
    return {
        "key": target.key,
        "rows": [start, length] if dimension == 0 else None,
        "columns": [start, length] if dimension == 1 else None,
    }
