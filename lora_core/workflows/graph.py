"""A workflow as nodes and wires, whichever of ComfyUI's two formats it is stored in.

The API format (`prompt_format`) has inputs by name; the editor's (`editor_format`) has widget values by place
and wires in a list of their own. What converts a workflow sees only this.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple


class WireSource(NamedTuple):
    """An output: the node and which of its outputs, from 0."""

    node: str
    slot: int


class Reader(NamedTuple):
    """An input that an output is connected to."""

    node: str
    input: str


class Mode(Enum):
    """Whether a node runs: it does, it lets its inputs through, or it and what follows it do not."""

    ON = "on"
    BYPASSED = "bypassed"
    MUTED = "muted"


@dataclass(frozen=True)
class Node:
    """One node as stored."""

    id: str
    type: str
    values: Mapping[str, Any] | Sequence[Any]  # by input name, or of the widgets in their order
    wired: frozenset[str]  # the inputs that are connected
    mode: Mode = Mode.ON
    shown: frozenset[str] = frozenset()  # its widgets that stand on the face of a subgraph

    def widgets(self, order: Sequence[str]) -> dict[str, Any]:
        """Widget values by name; `order` is that of the editor, which stores no names."""
        if isinstance(self.values, Mapping):
            return dict(self.values)
        return dict(zip(order, self.values, strict=False))


@dataclass(frozen=True)
class NewNode:
    """A node to add: its widgets, and what it takes and gives by name and type, in order."""

    type: str
    widgets: Mapping[str, Any]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    mode: Mode = Mode.ON


class Graph(ABC):
    """One level of a workflow: the whole of it, or one subgraph."""

    place: str = ""  # of the subgraph, for the report
    subgraph: str = ""  # its id, empty for the whole
    outside: str | None = None  # the id under which a subgraph's own outputs read

    @abstractmethod
    def nodes(self) -> Iterator[Node]:
        """Every node, in the order of the file."""

    @abstractmethod
    def source(self, node: str, name: str) -> WireSource | None:
        """What an input is connected to."""

    @abstractmethod
    def readers(self, source: WireSource) -> list[Reader]:
        """Every input an output is connected to."""

    @abstractmethod
    def output_count(self, node: str) -> int:
        """A number of outputs that none in use reaches."""

    @abstractmethod
    def add(self, new: NewNode, beside: str, below: int = 0) -> str:
        """Add a node where another one stands, or so many places below (negative: above); return its id."""

    @abstractmethod
    def connect(self, source: WireSource, node: str, name: str) -> None:
        """Lay a wire to an input that has none."""

    @abstractmethod
    def rewire(self, old: WireSource, new: WireSource, only: Sequence[Reader] | None = None) -> None:
        """Let the readers of one output, or some of them, read another."""

    @abstractmethod
    def set_input(self, node: str, name: str, source: WireSource) -> None:
        """Connect an input, which may be a widget, in place of what it has."""

    @abstractmethod
    def remove(self, node: str) -> None:
        """Take a node out, with its wires."""
