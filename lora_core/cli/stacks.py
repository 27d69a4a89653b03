"""A stack from the command line: tags, files with strengths, and text files of tags."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import WrongUse
from ..grammar import parse
from ..library import Index, Library
from ..stack import Entry
from ..untrusted import MAX_STRENGTH, is_strength

EXTENSIONS = frozenset({".safetensors", ".sft", ".pt", ".pth", ".bin", ".ckpt"})
_STRENGTHS = re.compile(r"(.+?):([^:/\\]+)(?::([^:/\\]+))?")


@dataclass(frozen=True)
class Row:
    """An entry and the file it means."""

    entry: Entry
    path: Path


def add_stack_options(parser: argparse.ArgumentParser) -> None:
    """The options that name a stack, for `read_stack`."""
    parser.add_argument(
        "stack",
        nargs="*",
        action="extend",
        metavar="STACK",
        help="tags (<lora:ink:0.8>) or files (as --lora)",
    )
    parser.add_argument(
        "--lora",
        action="append",
        dest="stack",  # so that the order is the one given
        metavar="FILE[:STRENGTH[:CLIP]]",
        help="a LoRA file, its strength for the model (1) and for the text encoders (the same); repeat it",
    )
    parser.add_argument(
        "--stack",
        action="append",
        default=[],
        dest="stack_files",
        metavar="FILE",
        help="a file of tags; - is stdin",
    )
    parser.add_argument("--loras", type=Path, metavar="DIR", help="the folder in which tags name files")


def stack_of(options: argparse.Namespace) -> list[Row]:
    """The stack that the options of `add_stack_options` name. Raises WrongUse for one that changes nothing,
    and what `read_stack` does.
    """
    rows = read_stack(options.stack or [], options.stack_files, options.loras)
    if not rows:
        raise WrongUse("the stack is empty, or every entry is off or at strength 0. Name a LoRA")
    return rows


def read_stack(items: Iterable[str], files: Iterable[str], folder: Path | None) -> list[Row]:
    """`files` hold tags ('-' is standard input); `items` are tags or FILE[:strength[:clip strength]].

    In this order: the files' rows, then the items'. Rows that change nothing are left out. Names and hashes
    in tags are those of files under `folder`.
    Raises BadStackText, UnresolvedLora, or RackError for wrong use.
    """
    rows: list[Row] = []
    for name in files:
        rows += _tags(_text(name), folder)
    for item in items:
        rows += _tags(item, folder) if item.lstrip().startswith("<") else _file(item)
    return rows


def _text(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise WrongUse(f"{name}: cannot be read ({error.strerror}). Name a text file of tags") from None
    except UnicodeDecodeError:
        raise WrongUse(f"{name}: is not UTF-8 text. Name a text file of tags") from None


def _tags(text: str, folder: Path | None) -> list[Row]:
    entries = parse(text).active
    if entries and folder is None:
        raise WrongUse(f"<lora:{entries[0].name}>: tags name files in a folder. Say which with --loras DIR")
    if folder is None:
        return []
    library = Library(lora_files(folder), folder.joinpath, Index(None))
    return [Row(entry, folder / library.find(entry.name, entry.hash)) for entry in entries]


def lora_files(folder: Path) -> list[str]:
    """Every file under `folder` that may be a LoRA, relative to it. Raises RackError for no folder."""
    if not folder.is_dir():
        raise WrongUse(f"{folder}: is not a folder. Name the folder of your LoRAs")
    found = (path for path in folder.rglob("*") if path.suffix.lower() in EXTENSIONS and path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in found)


def _file(item: str) -> list[Row]:
    """FILE[:strength[:clip strength]]; a file whose name has colons of its own is found as it is written."""
    path, texts = _parted(item)
    numbers = [_number(item, text) for text in texts]
    model = numbers[0] if numbers else 1.0
    clip = numbers[1] if len(numbers) > 1 else model
    entry = Entry(Path(path).name.strip() or path, model, clip)
    return [Row(entry, Path(path))] if entry.is_active else []


def _parted(item: str) -> tuple[str, list[str]]:
    """A file that is there, and what stands behind it; of a file that is not, what looks like both."""
    for colons in range(3):
        path, *texts = item.rsplit(":", colons)
        if Path(path).exists():
            return path, texts
    found = _STRENGTHS.fullmatch(item)
    return (found[1], [text for text in found.groups()[1:] if text]) if found else (item, [])


def _number(item: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise WrongUse(f"{item}: {text!r} is not a strength. Write FILE:0.8 or FILE:0.8:0.5") from None
    if not is_strength(value):
        raise WrongUse(
            f"{item}: a strength must be a finite number from -{MAX_STRENGTH:g} to {MAX_STRENGTH:g}"
        )
    return value
