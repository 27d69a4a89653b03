"""What nodes whose rows are text do with them: check all of them at once, collect words."""

from __future__ import annotations

from collections.abc import Sequence

from ..lora_core.grammar import MOST_ERRORS, Scan
from ..lora_core.stack import Entry
from . import host

_MOST_TOLD = 20  # problems of one text; the others are counted


def problems(found: Scan) -> bool | str:
    """True, or every mistake and every name that does not mean one file, in the order of the text.

    Rows that are off or at 0 may name what is not here. The first few are told, the others counted.
    """
    bad = [(error.line, error.column, str(error)) for error in found.errors]
    tags = [tag for tag in found.tags if tag.entry.is_active]
    for tag, error in zip(tags, host.check_all(tag.entry for tag in tags), strict=True):
        if error is not None:
            bad.append((tag.line, tag.column, f"line {tag.line}, column {tag.column}: {error}"))
    told = [message for _, _, message in sorted(bad)]
    more = len(told) - _MOST_TOLD
    if more > 0:
        told[_MOST_TOLD:] = [f"and {more}{' or more' * (len(found.errors) >= MOST_ERRORS)} other problems"]
    return "\n".join(told) or True


def located(entries: Sequence[Entry]) -> list[Entry]:
    """The entries, each that changes anything with its file. Raises UnresolvedLora with the row."""
    found = iter(host.resolve_active(entries))
    return [next(found) if entry.is_active else entry for entry in entries]


def words_of(entries: Sequence[Entry]) -> str:
    """The trigger words of all entries that are on, each LoRA's once."""
    active = (entry for entry in entries if entry.is_active)
    return ", ".join(dict.fromkeys(filter(None, map(host.words_of, active))))
