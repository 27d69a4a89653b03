"""What a node applied, written into every picture that a node below it saves.

The host's savers write each value of `extra_pnginfo` as JSON. Ours is worked out in that moment: of the nodes
above the saver, what those of this pack applied when they ran last with the same inputs. So a node that the
host did not run again, as nothing above it changed, is in the picture all the same, and a node in another
branch is not. RECORDS keeps what was applied, by a digest of a node and of all above it.

A file is hashed in whole when it is first used, by a thread of its own, while the model loads and samples;
only who asks for the hashes waits for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from comfy_execution.progress import get_progress_state
from comfy_execution.utils import get_executing_context

from ...lora_core.axes import Axis
from ...lora_core.cache import Recent
from ...lora_core.errors import FileError
from ...lora_core.library import page_beside, words_stamp
from ...lora_core.made_with import Applied, Used, applied_to_json, axes_text, stack_text
from ...lora_core.pictures import RECORD
from ...lora_core.reading import Stamp
from ...lora_core.stack import Entry
from .library import INDEX, lora_path

Json = dict[str, Any]

_MOST_RECORDS = 4096
_HASH_DIGITS = 10  # Civitai's AutoV2

_Names = tuple[str, str, str]
"""The SHA256 of a file, that of its tensors, and its page."""

# A file and what lies beside it → its names, as soon as they are worked out.
_NAMES: Recent[tuple[Stamp, str], Future[_Names]] = Recent(1024)
_HASHING = ThreadPoolExecutor(2, thread_name_prefix="lora_rack_hashing")


@dataclass(frozen=True, eq=False)
class _Row:
    """An entry, and what its file is known by elsewhere; None where it does not act or cannot be read."""

    entry: Entry
    names: Future[_Names] | None

    @property
    def with_hash(self) -> Entry:
        if self.entry.hash or self.names is None:
            return self.entry
        return replace(self.entry, hash=self.names.result()[0][:_HASH_DIGITS])


@dataclass(frozen=True, eq=False)
class _Noted:
    """What a node of class `kind` applied."""

    kind: str
    rows: tuple[_Row, ...]
    axes: tuple[tuple[Axis, _Row], ...] = ()

    @classmethod
    def of(cls, kind: str, entries: Iterable[Entry], axes: Iterable[Axis]) -> _Noted:
        return cls(kind, tuple(map(_row, entries)), tuple((axis, _row(axis.entry)) for axis in axes))

    def applied(self) -> Applied:
        """With the hashes; waits for them."""
        varied = [replace(axis, entry=row.with_hash) for axis, row in self.axes]
        return Applied("", self.kind, stack_text(row.with_hash for row in self.rows), axes_text(varied))


# Digest of a node and of all above it → what it applied, once for each run over a list of inputs.
RECORDS: Recent[str, tuple[_Noted, ...]] = Recent(_MOST_RECORDS)


class _WhatWasApplied(Json):
    """The value in `extra_pnginfo`. The copies of the host's queue and history hold the version."""

    def items(self) -> Any:
        self.update(applied_to_json(_applied_above()))
        return super().items()

    def __deepcopy__(self, memo: object) -> Json:
        return {"version": self["version"]}


def hash_soon(entries: Iterable[Entry]) -> None:
    """Begin to work out what the files are known by. Raises UnresolvedLora."""
    for entry in entries:
        _row(entry)


def used(entries: Iterable[Entry]) -> list[Used]:
    """The entries that act, and what their files are known by elsewhere. Raises UnresolvedLora."""
    rows = [_row(entry) for entry in entries if entry.is_active]
    return [Used(row.entry, *(row.names.result() if row.names else ())) for row in rows]


def record(kind: str, entries: Iterable[Entry], axes: Iterable[Axis] = ()) -> Json:
    """What a picture says that one node of class `kind` made by itself."""
    return applied_to_json([_Noted.of(kind, entries, axes).applied()])


def note_applied(kind: str, entries: Iterable[Entry], pnginfo: Any, axes: Iterable[Axis] = ()) -> None:
    """Keep what a node of class `kind` applied, for savers to write. `pnginfo` is its hidden input."""
    noted = _Noted.of(kind, entries, axes)
    context = get_executing_context()
    if context is None:  # called by a program, not by the host's executor
        if isinstance(pnginfo, dict):
            pnginfo[RECORD] = applied_to_json([noted.applied()])
        return
    key = _digests(_upstream(context.node_id))[context.node_id]
    before = (RECORDS.get(key) or ())[: context.list_index or 0]
    RECORDS.put(key, (*before, noted))
    promise(pnginfo)


def promise(pnginfo: Any) -> None:
    """Let savers write what was applied."""
    if isinstance(pnginfo, dict):
        pnginfo[RECORD] = _WhatWasApplied(applied_to_json(()))


def on_prompt(request: Json) -> Json:
    """The host asks about each prompt it is sent: one with our nodes gets a place for what they apply."""
    prompt = request.get("prompt")
    if isinstance(prompt, dict) and any(map(_is_ours, prompt.values())):
        extra = request.setdefault("extra_data", {})
        if isinstance(extra, dict):
            if extra.get("extra_pnginfo") is None:
                extra["extra_pnginfo"] = {}
            promise(extra["extra_pnginfo"])
    return request


def _is_ours(node: Any) -> bool:
    return isinstance(node, dict) and str(node.get("class_type")).startswith("LoraRack")


def _row(entry: Entry) -> _Row:
    if not entry.is_active:
        return _Row(entry, None)
    path = lora_path(entry)
    try:
        place = Stamp.of(path), words_stamp(path)
    except FileError:  # it was applied all the same
        return _Row(entry, None)
    names = _NAMES.get(place)
    if names is None:
        names = _HASHING.submit(_names_of, place[0])
        _NAMES.put(place, names)
    return _Row(entry, names)


def _names_of(stamp: Stamp) -> _Names:
    """What a file is known by; nothing where it cannot be read, or is another by now."""
    try:
        hashes = INDEX.measure(stamp.path)
        if Stamp.of(stamp.path) != stamp:
            return "", "", ""
    except FileError:
        return "", "", ""
    return hashes.sha256, hashes.tensors, page_beside(stamp.path)


def _applied_above() -> list[Applied]:
    """What was applied above the node that runs, in the order in which it acts; in all where none runs."""
    context = get_executing_context()
    order = _upstream(context.node_id if context is not None else None)
    digests = _digests(order)
    place = (context.list_index if context is not None else None) or 0
    found = [(node, RECORDS.get(digests[node])) for node in order]
    # The host repeats the last of a list that is too short, as here.
    return [replace(runs[min(place, len(runs) - 1)].applied(), node=node) for node, runs in found if runs]


def _upstream(last: str | None) -> list[str]:
    """A node of the prompt that runs, and all above it, each behind those it reads from."""
    prompt = get_progress_state().dynprompt
    made_by: dict[str, list[str]] = {}  # a node may have made others while it ran
    for made, maker in prompt.ephemeral_parents.items():
        made_by.setdefault(maker, []).append(made)
    order: list[str] = []
    seen: set[str] = set()
    waiting = [(node, False) for node in ([last] if last is not None else sorted(prompt.all_node_ids()))]
    while waiting:
        node, is_ready = waiting.pop()
        if is_ready:
            order.append(node)
        elif node not in seen and prompt.has_node(node):
            seen.add(node)
            above = [value[0] for value in _inputs(prompt.get_node(node)).values() if _is_wire(value)]
            waiting += [(node, True), *((other, False) for other in (*above, *made_by.get(node, ())))]
    return order


def _digests(order: Sequence[str]) -> Mapping[str, str]:
    """A digest of each node and of all above it, whatever their numbers are: equal for equal results."""
    prompt = get_progress_state().dynprompt
    digests: dict[str, str] = {}
    for name in order:
        node = prompt.get_node(name)
        inputs = {
            key: [digests.get(value[0], ""), value[1]] if _is_wire(value) else value
            for key, value in _inputs(node).items()
        }
        # `is_changed` is the host's: what the node's IS_CHANGED said.
        said = [node["class_type"], node.get("is_changed"), inputs]
        text = json.dumps(said, sort_keys=True, default=str)
        digests[name] = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()
    return digests


def _inputs(node: Json) -> Json:
    inputs: Json = node.get("inputs") or {}
    return inputs


def _is_wire(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)
