"""The LoRAs of a text: a prompt, what A1111 writes into a picture, or a workflow as JSON."""

from __future__ import annotations

import re

from ..errors import BadJson, BadWorkflow
from ..stack import Stack
from ..untrusted import MAX_WORKFLOW_BYTES, read_json
from .naming import Named, rows_of
from .readers import tags_of
from .recorded import Rows

_OBJECT = re.compile(r'\s*\{\s*"')  # how a workflow begins, and no prompt

# What follows the positive prompt in A1111's parameters. Extensions add the prompts they made it from.

_AFTER = re.compile(r"^(?:Negative prompt:|Steps: ?\d|(?:Negative )?Template:)", re.MULTILINE)


def rows_in_text(text: str, applied: Rows | None = None) -> Named:
    """The LoRAs that a text names, with remarks about those that cannot be read.

    `applied` is as in `rows_of`. Raises BadWorkflow for JSON that is no workflow.
    """
    try:
        content = read_json(text, MAX_WORKFLOW_BYTES, lenient=True)
    except BadJson as error:
        if _OBJECT.match(text):
            raise BadWorkflow(f"this workflow {error.problem}. Save it from ComfyUI again") from None
        said = tags_of(_positive(text))
        return Named.of(said.entries, said.problems)
    return rows_of(content, applied) if isinstance(content, dict) else Named(Stack(), ())


def _positive(text: str) -> str:
    end = _AFTER.search(text)
    return text[: end.start()] if end else text
