"""The LoRAs a picture, a workflow or a text was made with, from what programs write into their files."""

from __future__ import annotations

from ..errors import BadJson, BadPicture, RackError
from ..grammar import MOST_ROWS, scan
from ..pictures import RECORD, fields_in
from ..stack import Entry
from ..workflows import Named, Rows, rows_in_text
from .record import Applied, read_applied

_WORKFLOWS = ("prompt", "workflow")


def rows_in_file(data: bytes) -> Named:
    """The LoRAs named in a picture's metadata, in a workflow or in a text; empty when there are none.

    What our nodes say they applied counts for them, whatever the workflow beside it says. Of several texts in
    a picture the first that names any counts; the remarks are then those about it alone. Raises RackError for
    what is neither.
    """
    fields = _fields(data)
    applied, remarks = _applied(next((text for name, text in fields if name == RECORD), ""))
    problem: RackError | None = None
    for name, text in fields:
        if name == RECORD or (applied is not None and name not in _WORKFLOWS):
            continue
        try:
            named = rows_in_text(text, applied)
        except RackError as error:  # another text of the picture may be whole
            problem = problem or error
            continue
        if named.stack.rows:
            return Named.of(named.stack.rows, (*remarks, *named.remarks))
        remarks += named.remarks
    if applied:
        return Named.of([row for rows in applied.values() for row in rows], remarks)
    if problem is not None and not remarks:
        raise problem
    return Named.of((), remarks)


def _fields(data: bytes) -> list[tuple[str, str]]:
    """What may name LoRAs, the surest first."""
    found = fields_in(data)
    if found is not None:
        return found
    try:
        return [("", data.decode("utf-8-sig"))]
    except UnicodeDecodeError:
        raise BadPicture("this file is neither a picture nor a text: drop a picture or a workflow") from None


def _applied(text: str) -> tuple[Rows | None, list[str]]:
    """The rows of each node of a record, None where there is no record, and what of it cannot be read."""
    if not text:
        return None, []
    try:
        nodes = read_applied(text)
    except BadJson as error:
        return None, [f"the record of what was applied {error.problem}"]
    if not nodes:  # it says nothing; the workflow beside it may
        return None, []
    rows: dict[str, tuple[Entry, ...]] = {}
    remarks: list[str] = []
    count = 0
    for node in nodes:
        found = scan(node.stack)
        rows[node.node] = tuple(tag.entry for tag in found.tags)
        remarks += [f"{_title(node)}: {error}" for error in found.errors]
        count += len(rows[node.node]) + len(found.errors)
        if count > MOST_ROWS:
            break  # `Named.of` says so
    return rows, remarks


def _title(node: Applied) -> str:
    return f"the record of node {node.node[:100]} ({node.type[:100]})"
