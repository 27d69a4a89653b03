"""Workflows made with other LoRA nodes, rewritten with ours.

`rewrite` and `tags` put our nodes in the place of others, whose meaning `lora_core.workflows` knows;
`to_loaders` goes the other way, as far as the host's loaders can say what ours do. Everything that is not
understood stays as it is and is listed.
"""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import BadWorkflow
from ..workflows import is_editor_workflow, open_workflow
from .chosen import EVERY, Chosen
from .rewrite import Done, Findings, Left, rewrite_loaders
from .tags import rewrite_tags
from .to_loaders import NameOf, rewrite_racks


@dataclass(frozen=True)
class Conversion:
    """A rewritten workflow, what was replaced in it, and what was left as it is."""

    workflow: dict[str, Any]
    done: tuple[Done, ...]
    left: tuple[Left, ...]

    def as_json(self) -> dict[str, Any]:
        """The report, without the workflow."""
        return {"done": [asdict(item) for item in self.done], "left": [asdict(item) for item in self.left]}

    def describe(self) -> str:
        """The report, a line for each replacement, each difference and each node left as it is."""
        lines = [line for item in self.done for line in _done_lines(item)] or ["nothing to convert"]
        lines += [f"left as it is: {_where(i.place)}node {i.node} ({i.type}): {i.reason}" for i in self.left]
        return "\n".join(lines)


def convert(workflow: Any, chosen: Chosen = EVERY) -> Conversion:
    """Rewrite a workflow as loaded from JSON, in the editor's or the API's format; the given one is kept.

    Raises BadWorkflow for what is neither.
    """
    rewritten = copy.deepcopy(workflow)
    findings = Findings()
    for graph in open_workflow(rewritten):
        rewrite_loaders(graph, findings, chosen)
        rewrite_tags(graph, findings, chosen)
    return Conversion(rewritten, tuple(findings.done), tuple(findings.left))


def convert_back(workflow: Any, name_of: NameOf, chosen: Chosen = EVERY) -> Conversion:
    """Replace our nodes by the host's own loaders where those say the same; the given workflow is kept.

    The workflow is in the editor's format; `name_of` gives the name the host lists a file under, or raises
    UnresolvedLora. Raises BadWorkflow for what is no workflow of that format.
    """
    rewritten = copy.deepcopy(workflow)
    findings = Findings()
    if not is_editor_workflow(rewritten):
        raise BadWorkflow("this is not a workflow of the editor: expected an object with a list of 'nodes'")
    for graph in open_workflow(rewritten):
        rewrite_racks(graph, name_of, findings, chosen)
    return Conversion(rewritten, tuple(findings.done), tuple(findings.left))


def _where(place: str) -> str:
    return f"{place}, " if place else ""


def _done_lines(item: Done) -> list[str]:
    old = ", ".join(f"{node} ({kind})" for node, kind in zip(item.nodes, item.types, strict=True))
    text = item.text.replace("\n", " ")
    return [
        f"replaced: {_where(item.place)}node {old} by {', '.join(item.made)}: {text or 'an empty stack'}",
        *(f"  note: {note}" for note in item.notes),
    ]


__all__ = ["EVERY", "Chosen", "Conversion", "Done", "Left", "NameOf", "convert", "convert_back"]
