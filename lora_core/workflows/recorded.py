"""What the nodes of this pack say they applied, while the workflow around them is read."""

from __future__ import annotations

from collections.abc import Mapping

from ..stack import Entry
from .graph import Node

Rows = Mapping[str, tuple[Entry, ...]]
"""The rows of each node that acted, by its number in the prompt."""


class Recorded:
    """Rows by node; each is given out once, at the place of its node, the rest at the end."""

    def __init__(self, rows: Rows) -> None:
        self._left = dict(rows)
        self._by_number: dict[str, list[str]] = {}
        for name in rows:
            self._by_number.setdefault(name.rpartition(":")[2], []).append(name)

    def take(self, subgraph: str, node: Node) -> tuple[Entry, ...]:
        """The rows of a node. A prompt calls a node of a subgraph by the numbers of all it is inside of."""
        names = self._by_number.get(node.id, []) if subgraph else [node.id]
        return tuple(row for name in names for row in self._left.pop(name, ()))

    def rest(self) -> tuple[Entry, ...]:
        """The rows of nodes that the workflow does not hold."""
        rest = tuple(row for rows in self._left.values() for row in rows)
        self._left.clear()
        return rest
