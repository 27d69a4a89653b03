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

    def take(self, subgraph: str, node: Node) -> tuple[Entry, ...]:
        """The rows of a node. A prompt calls a node of a subgraph by the numbers of all it is inside of."""
        names = [name for name in self._left if _is_called(name, subgraph, node.id)]
        return tuple(row for name in names for row in self._left.pop(name))

    def rest(self) -> tuple[Entry, ...]:
        """The rows of nodes that the workflow does not hold."""
        rest = tuple(row for rows in self._left.values() for row in rows)
        self._left.clear()
        return rest


def _is_called(name: str, subgraph: str, number: str) -> bool:
    return name.rpartition(":")[2] == number if subgraph else name == number
