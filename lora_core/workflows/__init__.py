"""Workflows of ComfyUI in both of its formats, and the LoRAs their nodes name.

`graph` is a workflow as nodes and wires, `editor_format` and `prompt_format` are the two it is stored in.
`node_kinds` says what the nodes of ComfyUI and of many packs mean, `naming` gathers the rows of a whole
workflow, `infotext` those of a text that generators write into their pictures.
"""

from __future__ import annotations

from .graph import Graph, Mode, NewNode, Node, Reader, WireSource
from .infotext import rows_in_text
from .naming import Named, rows_of
from .node_kinds import Kind, is_unknown_lora_node, kinds
from .opening import is_editor_workflow, open_workflow
from .recorded import Rows
from .values import Said

__all__ = [
    "Graph",
    "Kind",
    "Mode",
    "Named",
    "NewNode",
    "Node",
    "Reader",
    "Rows",
    "Said",
    "WireSource",
    "is_editor_workflow",
    "is_unknown_lora_node",
    "kinds",
    "open_workflow",
    "rows_in_text",
    "rows_of",
]
