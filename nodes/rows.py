"""What nodes whose rows are text do with them: check all of them at once, collect words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..lora_core.errors import RackError
from ..lora_core.grammar import MOST_ERRORS, Prompt, RackTag, Scan, prefix_embeddings, read_prompt, write
from ..lora_core.racks import expand
from ..lora_core.stack import Entry, NamedRack, Stack
from . import host

_MOST_TOLD = 20  # problems of one text; the others are counted


def problems(found: Scan, place: str = "") -> bool | str:
    """True, or every mistake and every name that does not mean one file, in the order of the text.

    Rows that are off or at 0 may name what is not here. The first few are told, the others counted. `place`
    begins each of them: the input that has the text, where a node has several.
    """
    bad = [(error.line, error.column, str(error)) for error in found.errors]
    tags = [tag for tag in found.tags if tag.entry.is_active]
    for tag, error in zip(tags, host.check_all(tag.entry for tag in tags), strict=True):
        if error is not None:
            bad.append((tag.line, tag.column, f"line {tag.line}, column {tag.column}: {error}"))
    for rack in found.racks:
        bad += _problems_inside(rack)
    told = [message for _, _, message in sorted(bad)]
    more = len(told) - _MOST_TOLD
    if more > 0:
        told[_MOST_TOLD:] = [f"and {more}{' or more' * (len(found.errors) >= MOST_ERRORS)} other problems"]
    return "\n".join(f"{place}: {message}" if place else message for message in told) or True


def _problems_inside(tag: RackTag) -> list[tuple[int, int, str]]:
    """What is wrong with a named rack, or with the rows in it."""
    try:
        entries = _expanded(Stack((tag.rack,))).active
        wrong = [f"in the rack {tag.rack.name!r}, {error}" for error in host.check_all(entries) if error]
    except RackError as error:
        wrong = [str(error)]
    place = f"line {tag.line}, column {tag.column}"
    return [(tag.line, tag.column, f"{place}: {one}") for one in wrong]


def rows_of(stack: Stack) -> list[Entry]:
    """The entries of a stack and of its named racks, those that change anything with their files.

    Raises UnresolvedLora, and for a named rack MissingRack, BadRackChain or BadStackText.
    """
    return located(_expanded(stack).entries)


def _expanded(stack: Stack) -> Stack:
    return expand(stack, host.RACKS.text_of)


def fingerprint(stack: Stack) -> str:
    """Changes with the files of a stack, and with what is kept under the names in it."""
    whole = _expanded(stack)
    has_racks = any(isinstance(row, NamedRack) for row in stack.rows)
    return host.fingerprint(whole.active) + (f" {write(whole)}" if has_racks else "")


def located(entries: Sequence[Entry]) -> list[Entry]:
    """The entries, each that changes anything with its file. Raises UnresolvedLora with the row."""
    found = iter(host.resolve_active(entries))
    return [next(found) if entry.is_active else entry for entry in entries]


def words_of(entries: Sequence[Entry]) -> str:
    """The trigger words of all entries that are on, each LoRA's once."""
    active = (entry for entry in entries if entry.is_active)
    return ", ".join(dict.fromkeys(filter(None, map(host.words_of, active))))


def encoder_words(prompt: Prompt, embeddings: bool) -> str:
    """The words of a prompt for the text encoder; with `embeddings`, bare names of embeddings prefixed."""
    return prefix_embeddings(prompt.text, host.embedding_names()) if embeddings else prompt.text


def prompts_fingerprint(texts: Iterable[str | None], embeddings: bool | None) -> str:
    """Changes with the files of the tags, and with the list of embeddings where it is read (None: may be)."""
    files = " ".join(fingerprint(read_prompt(text or "").stack) for text in texts)
    return files if embeddings is False else f"{files} {host.embedding_names()}"
