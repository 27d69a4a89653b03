"""Workflows as the editor saves them, turned into what its page would queue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tools.dev.host_client import Json

_NOTES = ("MarkdownNote", "Note")


def to_prompt(workflow: Json, object_info: Json) -> Json:
    """The API form: links by node and slot, widget values by the order of the node's own inputs."""
    sources = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
    nodes = [node for node in workflow["nodes"] if node["type"] not in _NOTES]
    return {
        str(node["id"]): {
            "class_type": node["type"],
            "inputs": {**_widgets(node, object_info[node["type"]]), **_links(node, sources)},
        }
        for node in nodes
    }


def _links(node: Json, sources: Json) -> Json:
    return {slot["name"]: sources[slot["link"]] for slot in node["inputs"] if slot.get("link")}


def _widgets(node: Json, declared: Json) -> Json:
    values = iter(node.get("widgets_values", ()))
    found: Json = {}
    for name, (kind, *options) in _declared(declared):
        if isinstance(kind, list) or kind in ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"):
            found[name] = next(values)
            if options and options[0].get("control_after_generate"):
                next(values)
    assert not [*values], f"{node['type']} has more values than widgets"
    return found


def _declared(declared: Json) -> Iterator[tuple[str, Any]]:
    for group in ("required", "optional"):
        yield from declared["input"].get(group, {}).items()
