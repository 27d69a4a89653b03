"""The API format: `{id: {"class_type": …, "inputs": {name: value or [id, slot]}}}`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .checking import highest_number, is_slot
from .graph import Graph, NewNode, Node, Reader, WireSource


class PromptGraph(Graph):
    """A prompt, changed in place."""

    def __init__(self, prompt: dict[str, Any]) -> None:
        self._prompt = prompt
        self._readers: dict[str, list[tuple[int, Reader]]] | None = None  # by the node they read

    def nodes(self) -> Iterator[Node]:
        for number, stored in list(self._prompt.items()):
            inputs = stored["inputs"]
            wired = frozenset(name for name, value in inputs.items() if _is_wire(value))
            values = {name: value for name, value in inputs.items() if name not in wired}
            yield Node(number, stored["class_type"], values, wired)

    def source(self, node: str, name: str) -> WireSource | None:
        value = self._inputs(node).get(name)
        return WireSource(str(value[0]), value[1]) if value is not None and _is_wire(value) else None

    def readers(self, source: WireSource) -> list[Reader]:
        return [reader for slot, reader in self._readers_of(source.node) if slot == source.slot]

    def output_count(self, node: str) -> int:
        return max((slot + 1 for slot, _ in self._readers_of(node)), default=0)

    def add(self, new: NewNode, beside: str, below: int = 0) -> str:
        number = str(1 + highest_number(self._prompt))
        self._readers = None
        self._prompt[number] = {"class_type": new.type, "inputs": dict(new.widgets)}
        return number

    def connect(self, source: WireSource, node: str, name: str) -> None:
        self._readers = None
        self._inputs(node)[name] = list(source)

    def rewire(self, old: WireSource, new: WireSource, only: Sequence[Reader] | None = None) -> None:
        for reader in self.readers(old) if only is None else only:
            self.connect(new, *reader)

    def set_input(self, node: str, name: str, source: WireSource) -> None:
        self.connect(source, node, name)

    def remove(self, node: str) -> None:
        self._readers = None
        del self._prompt[node]

    def _readers_of(self, node: str) -> list[tuple[int, Reader]]:
        """(slot, input) of everything that reads a node, until a wire changes."""
        if self._readers is None:
            self._readers = {}
            for reader in (Reader(other, name) for other in self._prompt for name in self._inputs(other)):
                source = self.source(*reader)
                if source is not None:
                    self._readers.setdefault(source.node, []).append((source.slot, reader))
        return self._readers.get(node, [])

    def _inputs(self, node: str) -> dict[str, Any]:
        inputs: dict[str, Any] = self._prompt[node]["inputs"] if node in self._prompt else {}
        return inputs


def _is_wire(value: Any) -> bool:
    return (
        isinstance(value, list) and len(value) == 2 and isinstance(value[0], str | int) and is_slot(value[1])
    )
