"""The tags of a prompt as the page's editor asks for them: what each one means, and which file it names."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from ...lora_core.errors import BadRequest, BadStackText, RackError
from ...lora_core.grammar import SingleTag, read_single, take_out
from ...lora_core.stack import Entry, NamedRack
from . import rack_routes, row_json
from .catalog import Card, Catalog

Json = dict[str, Any]

MOST_TAGS = 1_000  # in one question


def read_tags(texts: Any, catalog: Catalog) -> list[Json]:
    """For each tag {"row", "name", "strengths", "card", "problem"}, in order.

    `row` is the entry as row_json gives it, null for a tag nobody can read; that of a named rack has the
    rack's strength for both. `name` and `strengths` are where in the tag they are written, [start, end] in
    UTF-16 units as JavaScript counts them. `problem` says why it cannot be read, or names nothing that is
    here; `column` in it is where. Raises BadRequest for what is no list of texts.
    """
    read = [_read(text) for text in _texts(texts)]
    rows = [tag.row for tag in read if isinstance(tag, SingleTag)]
    found = iter(catalog.look_up(row for row in rows if isinstance(row, Entry)))
    return [_said(text, tag, found) for text, tag in zip(texts, read, strict=True)]


def without_tags(text: Any, starts: Any) -> Json:
    """{"text", "rows"}: the prompt without the tags that begin at `starts`, in UTF-16 units, and their rows.

    Raises BadRequest for what is no text or no list of places.
    """
    if not isinstance(text, str):
        raise BadRequest('the request must hold a "text"')
    if not isinstance(starts, list) or not all(type(start) is int for start in starts):
        raise BadRequest('"starts" must be a list of places in the text')
    left = take_out(text, _in_letters(text, starts))
    return {"text": left.text, "rows": row_json.to_json(left.stack)}


def _in_letters(text: str, starts: Collection[int]) -> frozenset[int]:
    """Places in UTF-16 units as places in letters."""
    wanted, units, found = frozenset(starts), 0, set[int]()
    for place, letter in enumerate(text):
        if units in wanted:
            found.add(place)
        units += 2 if ord(letter) > 0xFFFF else 1
    return frozenset(found)


def _said(text: str, tag: SingleTag | BadStackText, found: Iterator[Card | RackError]) -> Json:
    if isinstance(tag, BadStackText):
        return _bad(tag)
    places = {"name": _in_utf16(text, tag.name), "strengths": [_in_utf16(text, at) for at in tag.strengths]}
    if isinstance(tag.row, NamedRack):
        both = {"strength_model": tag.row.strength, "strength_clip": tag.row.strength}
        row = {"kind": "rack", "name": tag.row.name, "curve": "", **both}
        return {"row": row, **places, "card": None, "problem": _problem(rack_routes.problem_of(tag.row.name))}
    file = next(found)
    is_here = isinstance(file, Card)
    return {
        "row": row_json.entry_to_json(tag.row),
        **places,
        "card": asdict(file) if isinstance(file, Card) else None,
        "problem": None if is_here else _problem(file),
    }


def _texts(texts: Any) -> Sequence[str]:
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise BadRequest('"tags" must be a list of texts')
    if len(texts) > MOST_TAGS:
        raise BadRequest(f'"tags" are {len(texts)}, at most {MOST_TAGS} are asked for at once')
    return texts


def _read(text: str) -> SingleTag | BadStackText:
    try:
        return read_single(text)
    except BadStackText as error:
        return error


def _bad(error: BadStackText) -> Json:
    message = f"Found {error.found}, expected {error.expected}."
    problem = {"type": type(error).__name__, "message": message, "column": error.column}
    return {"row": None, "name": None, "strengths": [], "card": None, "problem": problem}


def _problem(error: Any) -> Json | None:
    return {"type": type(error).__name__, "message": str(error), **error.facts} if error else None


def _in_utf16(text: str, span: tuple[int, int]) -> list[int]:
    return [len(text[:place].encode("utf-16-le", "surrogatepass")) // 2 for place in span]
