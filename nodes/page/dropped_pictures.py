"""The LoRAs a picture or a workflow was made with, from what generators write into their files."""

from __future__ import annotations

from ...lora_core.errors import BadPicture, RackError
from ...lora_core.grammar import read_prompt
from ...lora_core.stack import Stack
from ...lora_core.workflows import Named, rows_in_text
from .picture_files import texts_in


def tags_in(text: str) -> Stack:
    """The tags that stand anywhere in a prompt, in their order. Raises BadStackText for a bad one."""
    return read_prompt(text).stack


def rows_in_file(data: bytes) -> Named:
    """The LoRAs named in a picture's metadata, in a workflow or in a text; empty when there are none.

    Of several texts in a picture the first that names any counts; the remarks are then those about it alone.
    Raises RackError for what is neither.
    """
    remarks: list[str] = []
    problem: RackError | None = None
    for text in _texts(data):
        try:
            named = rows_in_text(text)
        except RackError as error:  # another text of the picture may be whole
            problem = problem or error
            continue
        if named.stack.rows:
            return named
        remarks += named.remarks
    if problem is not None and not remarks:
        raise problem
    return Named(Stack(), tuple(remarks))


def _texts(data: bytes) -> list[str]:
    """What may name LoRAs, the surest first."""
    found = texts_in(data)
    if found is not None:
        return found
    try:
        return [data.decode("utf-8-sig")]
    except UnicodeDecodeError:
        raise BadPicture("this file is neither a picture nor a text: drop a picture or a workflow") from None
