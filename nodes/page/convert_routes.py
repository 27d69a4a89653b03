"""What the page may have converted: a workflow into racks, or racks into the host's own loaders."""

from __future__ import annotations

from typing import Any

from ...lora_core.convert import Chosen, Conversion, convert, convert_back
from ...lora_core.errors import BadRequest
from ...lora_core.untrusted import shown
from .. import host

Json = dict[str, Any]


def converted(body: Json) -> Json:
    """{"workflow", "to": "rack" or "loaders", "nodes"?, "subgraph"?} → {"workflow", "done", "left"}.

    `nodes` are ids on the level of `subgraph`, the whole workflow where that is empty; without them all is
    converted. Raises RackError for a request that is none, BadWorkflow for a workflow that is none.
    """
    workflow, chosen = body.get("workflow"), _chosen(body)
    match body.get("to"):
        case "rack":
            conversion = convert(workflow, chosen)
        case "loaders":
            conversion = convert_back(workflow, host.look_up, chosen)
        case other:
            raise BadRequest(f'"to" must be "rack" or "loaders", not {shown(other)}')
    return _answer(conversion)


def _chosen(body: Json) -> Chosen:
    nodes, subgraph = body.get("nodes"), body.get("subgraph", "")
    if not isinstance(subgraph, str):
        raise BadRequest(f'"subgraph" must be the id of one, not {shown(subgraph)}')
    if nodes is None:
        return Chosen()
    if not isinstance(nodes, list) or not all(isinstance(node, str | int) for node in nodes):
        raise BadRequest(f'"nodes" must be a list of ids, not {shown(nodes)}')
    return Chosen(frozenset(map(str, nodes)), subgraph)


def _answer(conversion: Conversion) -> Json:
    return {"workflow": conversion.workflow, **conversion.as_json()}
