"""Which nodes of a workflow are to be converted: all, or those a person has selected."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ..workflows import Graph


@dataclass(frozen=True)
class Chosen:
    """Nodes of one level by id; None means every node of every level.

    `subgraph` is the id of the level's subgraph, empty for the workflow itself.
    """

    nodes: Collection[str] | None = None
    subgraph: str = ""

    def has(self, graph: Graph, node: str) -> bool:
        """Whether a node of this level is one of them."""
        return self.nodes is None or (graph.subgraph == self.subgraph and node in self.nodes)


EVERY = Chosen()
