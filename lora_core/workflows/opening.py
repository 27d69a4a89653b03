"""Which of the two formats a workflow is in, and its levels as graphs."""

from __future__ import annotations

from typing import Any

from ..errors import BadWorkflow
from .checking import check_editor
from .editor_format import levels
from .graph import Graph
from .prompt_format import PromptGraph


def open_workflow(workflow: Any) -> list[Graph]:
    """The levels of a workflow as loaded from JSON, the whole before its subgraphs; changes go into it.

    Raises BadWorkflow for what is neither format.
    """
    if is_editor_workflow(workflow):
        check_editor(workflow)
        return list(levels(workflow))
    prompt = workflow.get("prompt", workflow) if isinstance(workflow, dict) else None
    if not isinstance(prompt, dict) or not prompt or not all(map(_is_prompt_node, prompt.values())):
        raise BadWorkflow(
            "this is not a workflow: expected the editor's format (an object with a list of 'nodes') or the "
            "API's (an object of nodes with 'class_type' and 'inputs'). Save it from ComfyUI again"
        )
    return [PromptGraph(prompt)]


def is_editor_workflow(workflow: Any) -> bool:
    """Whether something is meant to be the editor's format."""
    return isinstance(workflow, dict) and isinstance(workflow.get("nodes"), list)


def _is_prompt_node(node: Any) -> bool:
    is_node = isinstance(node, dict) and isinstance(node.get("class_type"), str)
    return is_node and isinstance(node.get("inputs"), dict)
