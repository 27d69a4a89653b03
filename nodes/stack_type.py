"""LORA_STACK, the wire of the ecosystem: a list of (lora_name, strength_model, strength_clip)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..lora_core.errors import BadInput
from ..lora_core.stack import Entry


class StackItem(tuple[str, float, float]):
    """One entry on the wire: the three values every pack reads, and the whole entry for ours."""

    entry: Entry

    def __new__(cls, values: Iterable[Any], entry: Entry | None = None) -> StackItem:
        item = super().__new__(cls, values)
        item.entry = entry if entry is not None else Entry(*item)
        return item


class WireStack(list[Any]):
    """The items on the wire, and beside them the entries that change nothing, each with the number of items
    before it.

    Those are only there to be named in a report and in a picture: what reads the items, as every other pack
    does, must not be told to apply them, and their files need not exist.
    """

    idle: tuple[tuple[int, Entry], ...] = ()


def to_wire(entries: Iterable[Entry], before: Sequence[Any] | None) -> WireStack:
    """The incoming stack, if any, followed by these entries."""
    before = () if before is None else before
    made = WireStack(before)
    idle = [*_idle_in(before)]
    for entry in entries:
        if entry.is_active:
            made.append(StackItem((entry.name, entry.strength_model, entry.strength_clip), entry))
        else:
            idle.append((len(made), entry))
    made.idle = tuple(idle)
    return made


def rows_on_wire(stack: Sequence[Any]) -> list[Entry]:
    """As `from_wire`, with the entries of a stack of ours that are off or at 0, each in its place; another
    pack's node forgets them.
    """
    rows = from_wire(stack)
    for before, entry in reversed(_idle_in(stack)):
        rows.insert(before, entry)
    return rows


def _idle_in(stack: Sequence[Any]) -> tuple[tuple[int, Entry], ...]:
    return stack.idle if isinstance(stack, WireStack) else ()


def from_wire(stack: Sequence[Any]) -> list[Entry]:
    """The entries of a stack, whoever made it. Raises RackError, naming the place, for what is no stack."""
    entries: list[Entry] = []
    for place, item in enumerate(stack, start=1):
        if isinstance(item, StackItem):
            entries.append(item.entry)
            continue
        try:
            name, strength_model, strength_clip = item
            if name not in (None, "None"):  # what other packs send for an empty slot
                entries.append(Entry(str(name), float(strength_model), float(strength_clip)))
        except (TypeError, ValueError) as error:
            shape = "(lora_name, strength_model, strength_clip)"
            raise BadInput(f"item {place} of the LoRA stack is {item!r}, not {shape}: {error}") from None
    return entries
