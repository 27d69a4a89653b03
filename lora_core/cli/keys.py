"""keys: every tensor of a file, and what its key says."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..reading import Dtype, Stamp, dtype_of, is_pickle, read_file, read_header, split_key
from .output import add_json_option, print_json, shape_text, table


def add_to(commands: Any) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "keys",
        help="list every tensor of a file",
        description="List every tensor of a file: key, dtype, shape, and for a LoRA's its layer and role. "
        "A key of no known spelling has the role '?'.",
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    add_json_option(parser)
    parser.set_defaults(run=run)


class _Tensor(NamedTuple):
    dtype: Dtype
    shape: tuple[int, ...]


def run(options: argparse.Namespace) -> int:
    """Print a table, or a JSON list."""
    rows = list(_rows(_tensors(options.file)))
    if options.json:
        print_json(rows)
    elif rows:
        print(table([("key", "dtype", "shape", "role"), *map(_cells, rows)]))
    else:
        print("no tensors")
    return 0


def _tensors(path: Path) -> Mapping[str, _Tensor]:
    if is_pickle(Stamp.of(path).path):
        tensors = read_file(path).tensors
        return {key: _Tensor(dtype_of(tensor.dtype), tuple(tensor.shape)) for key, tensor in tensors.items()}
    return {key: _Tensor(info.dtype, info.shape) for key, info in read_header(path).tensors.items()}


def _rows(tensors: Mapping[str, _Tensor]) -> Iterator[dict[str, Any]]:
    for key, tensor in tensors.items():
        named = split_key(key)
        yield {
            "key": key,
            "dtype": tensor.dtype.name,
            "shape": list(tensor.shape),
            "layer": named.layer if named else None,
            "role": named.role if named else None,
        }


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    return row["key"], row["dtype"], shape_text(row["shape"]), row["role"] or "?"
