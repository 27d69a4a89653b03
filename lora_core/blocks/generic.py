"""The blocks of a model nobody has written down: the containers of numbered parts that are built alike."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

_NUMBER = re.compile(r"\d+")
_NAMED_NUMBER = re.compile(r"([a-z]+)\d+")  # block0 under blocks, as in Cosmos
_LAST = r"(?:final|out|head|proj_out|norm_out|norm_final|last|unembed|unpatch)"

_TAKEN = frozenset({"IN", "OUT", "OTHER", "BASE", "CLIP", "TE", "T", "LLM", "EMB", "FINAL", "NOT", "INVERT"})


def find_blocks(keys: Iterable[str]) -> list[tuple[str, str]]:
    """[pattern, id] per kind of block, as in a record.

    A kind is a container with two or more numbered parts that have the same weights inside; the numbers of a
    plain sequence (`time_embed.0`, `time_embed.2`) are none, as nothing is below them. The outermost
    container of a key counts. Its id is the first letters of its name, and its own number where it is one of
    several. Other weights are OUT by name, or IN.
    """
    paths = list(keys)
    rules: list[tuple[str, str]] = []
    taken = set(_TAKEN)
    for container, infix in _containers(paths):
        id = _free(container, taken)
        taken.add(id)
        rules.append((rf"{re.escape(container)}\.{infix}(\d+)\.", id))
    return [*rules, (rf"(?:\w+\.)?{_LAST}", "OUT"), ("", "IN")]


def _containers(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Every outermost container of alike parts, in order, and what stands before its numbers."""
    inside: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    places: dict[str, list[tuple[str, str]]] = {}
    for path in paths:
        parts = path.split(".")
        places[path] = []
        for depth in range(1, len(parts) - 1):
            found = _numbered(parts[depth - 1], parts[depth])
            if found is not None:
                container = (".".join(parts[:depth]), found)
                inside[container][parts[depth]].add(".".join(parts[depth + 1 :]))
                places[path].append(container)
    alike = {container for container, numbers in inside.items() if _are_alike(numbers)}
    seen: dict[tuple[str, str], None] = {}
    for containers in places.values():
        outermost = next((container for container in containers if container in alike), None)
        if outermost is not None:
            seen.setdefault(outermost)
    return iter(seen)


def _numbered(parent: str, part: str) -> str | None:
    """What stands before the number of a numbered part; None for any other."""
    if _NUMBER.fullmatch(part):
        return ""
    found = _NAMED_NUMBER.fullmatch(part) if parent == "blocks" else None
    return found[1] if found else None


def _are_alike(numbers: Mapping[str, set[str]]) -> bool:
    """Whether two parts have the same weights, and those lie in modules of their own."""
    seen: set[frozenset[str]] = set()
    for weights in numbers.values():
        if any("." in weight for weight in weights):
            if frozenset(weights) in seen:
                return True
            seen.add(frozenset(weights))
    return False


def _free(container: str, taken: set[str]) -> str:
    """The first letters of the words of a container's name, and as many more as make it the only one."""
    name, level = container.upper(), ""
    if found := re.fullmatch(r"(.*)\.(\d{1,4})", name):
        name, level = found[1], f"{found[2]}."
    words = re.findall("[A-Z]+", name.rpartition(".")[2]) or ["X"]
    for length in range(1, max(map(len, words)) + 1):
        letters = "".join(word[:length] for word in words)
        if letters + level not in taken:
            return letters + level
    while letters + level in taken:
        letters += "X"
    return letters + level
