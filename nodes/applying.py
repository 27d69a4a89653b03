"""Entries onto a model, for every node that applies a stack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..lora_core.applying import Verdict
from ..lora_core.stack import Entry
from . import host


def apply_rows(
    node: object,
    model: host.Patcher | None,
    clip: host.Clip | None,
    entries: Sequence[Entry],
    mismatch: str,
    mode: str,
    extra_pnginfo: Any,
) -> host.Applied:
    """Patch clones of a model and a text encoder with entries that were located, and note it for savers.

    Raises what `host.apply_stack` does.
    """
    host.hash_soon(entries)
    applied = host.apply_stack(model, clip, entries, mismatch == "error", mode)
    host.note_applied(type(node).__name__, entries, extra_pnginfo)
    return applied


def output(verdicts: Sequence[Verdict], report: str, results: tuple[Any, ...]) -> dict[str, Any]:
    """What such a node returns: its outputs, and for the page the report and the verdicts."""
    ui = {"text": [report], "lora_rack": [verdict.as_json() for verdict in verdicts]}
    return {"ui": ui, "result": results}
