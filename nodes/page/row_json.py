"""The rows of a stack as the page holds them: JSON objects, each with its line of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...lora_core.blocks import read_block_weights, sketch
from ...lora_core.errors import BadBlockText, BadRequest, BadRow, RackError
from ...lora_core.grammar import MOST_ROWS, with_times, write_row
from ...lora_core.stack import Comment, Entry, NamedRack, Row, Stack
from ...lora_core.untrusted import shown

Json = dict[str, Any]

_TEXTS = ("name", "blocks", "elements", "hash")
_TIMES = ("curve", "steps")  # as tags write them
_NUMBERS = ("strength_model", "strength_clip", "start", "stop")
_DEFAULTS: Json = {
    **{"blocks": "", "elements": "", "hash": "", "curve": "", "steps": ""},
    **{"strength_model": 1.0, "strength_clip": 1.0, "start": 0.0, "stop": 1.0, "enabled": True},
    "is_clip_on_curve": False,
}


_RACK_DEFAULTS: Json = {"strength": 1.0, "enabled": True}


def to_json(stack: Stack) -> list[Json]:
    """The rows, each with `kind` and its canonical line as `text`."""
    return [_row_to_json(row) for row in stack.rows]


def from_json(rows: Any) -> Stack:
    """The stack of rows as `to_json` gives them; `text` is not read, what is left out has its default.

    Raises RackError, naming the row, for what is no row, and BadBlockText for block weights nobody can read.
    """
    return Stack(tuple(_row_from_json(row, number) for number, row in enumerate(_listed(rows), start=1)))


def written(rows: Any, partial: bool = False) -> Json:
    """{"rows", "text"}: the rows with their lines, and the whole text of those that can be written.

    A row that no tag can hold has no line and a `problem`, and keeps no other row out. Raises RackError for
    what is no row, and for the first such problem where no row can be written, unless `partial`.
    """
    lines: list[Json] = []
    problems: list[RackError] = []
    for number, row in enumerate(_listed(rows), start=1):
        try:
            lines.append(_row_to_json(_row_from_json(row, number)))
        except (BadRow, BadBlockText) as error:
            problems.append(error)
            problem = {"type": type(error).__name__, "message": str(error)}
            lines.append({**_DEFAULTS, **row, "text": "", "problem": problem})
    if problems and not partial and len(problems) == len(lines):
        raise problems[0]
    return {"rows": lines, "text": "\n".join(line["text"] for line in lines if "problem" not in line)}


def _listed(rows: Any) -> list[Any]:
    if not isinstance(rows, list):
        raise BadRequest(f"rows must be a list, not {type(rows).__name__}")
    if len(rows) > MOST_ROWS:
        raise BadRequest(f"rows are {len(rows)}, a stack has at most {MOST_ROWS}")
    return rows


def _row_to_json(row: Row) -> Json:
    text = write_row(row)
    if isinstance(row, Comment):
        return {"kind": "comment", "comment": row.text, "text": text}
    if isinstance(row, NamedRack):
        return {
            "kind": "rack",
            "name": row.name,
            "strength": row.strength,
            "enabled": row.enabled,
            "text": text,
        }
    return {**entry_to_json(row), "text": text}


def entry_to_json(row: Entry) -> Json:
    """The fields of an entry, without its line: it may stand in a text in other words than ours."""
    return {
        "kind": "entry",
        "name": row.name,
        "strength_model": row.strength_model,
        "strength_clip": row.strength_clip,
        "enabled": row.enabled,
        "blocks": row.blocks.blocks,
        "elements": row.blocks.elements,
        "start": row.start,
        "stop": row.stop,
        "hash": row.hash,
        "steps": str(row.steps or ""),
        "curve": str(row.curve or ""),
        "is_clip_on_curve": row.is_clip_on_curve,
        "bars": list(sketch(row.blocks)),
    }


def _row_from_json(row: Any, number: int) -> Row:
    try:
        if row["kind"] == "comment":
            return Comment(_typed(row, ("comment",), str)["comment"])
        if row["kind"] == "rack":
            return _rack({**_RACK_DEFAULTS, **row})
        if row["kind"] != "entry":
            raise ValueError(f"kind is {shown(row['kind'])}, not 'entry', 'rack' or 'comment'")
        return _entry({**_DEFAULTS, **row})
    except BadRow as error:
        raise BadRow(f"row {number}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        found = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise BadRequest(f"row {number}: {found}") from None


def _entry(row: Json) -> Entry:
    texts = _typed(row, _TEXTS, str)
    numbers = _typed(row, _NUMBERS, (int, float))
    weights = read_block_weights(texts.pop("blocks"), texts.pop("elements"))
    entry = Entry(**texts, **numbers, **_typed(row, ("enabled",), bool), blocks=weights)
    return with_times(entry, **_typed(row, _TIMES, str), **_typed(row, ("is_clip_on_curve",), bool))


def _rack(row: Json) -> NamedRack:
    named = _typed(row, ("name",), str) | _typed(row, ("enabled",), bool)
    return NamedRack(**named, **_typed(row, ("strength",), (int, float)))


def _typed(row: Json, fields: Sequence[str], kind: type | tuple[type, ...]) -> Json:
    for field in fields:
        is_wrong_bool = isinstance(row[field], bool) and kind is not bool
        if is_wrong_bool or not isinstance(row[field], kind):
            raise TypeError(f"{field} is {shown(row[field])}, of the wrong type")
    return {field: row[field] for field in fields}
