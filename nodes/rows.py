"""What nodes whose rows are text do with them: check all of them at once, collect words."""

from __future__ import annotations

from collections.abc import Sequence

from ..lora_core.errors import RackError
from ..lora_core.grammar import Scan
from ..lora_core.stack import Entry
from . import host


def problems(found: Scan) -> bool | str:
    """True, or every mistake and every name that does not mean one file, in the order of the text.

    Rows that are off or at 0 may name what is not here.
    """
    bad = [(error.line, error.column, str(error)) for error in found.errors]
    for tag in found.tags:
        if not tag.entry.is_active:
            continue
        try:
            host.check(tag.entry)
        except RackError as error:
            bad.append((tag.line, tag.column, f"line {tag.line}, column {tag.column}: {error}"))
    return "\n".join(message for _, _, message in sorted(bad)) or True


def words_of(entries: Sequence[Entry]) -> str:
    """The trigger words of all entries, each LoRA's once."""
    return ", ".join(dict.fromkeys(filter(None, map(host.words_of, entries))))
