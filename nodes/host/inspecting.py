"""What is in one LoRA file, alone or on a model."""

from __future__ import annotations

import weakref
from dataclasses import dataclass

from ...lora_core.applying import Verdict, blocks_in
from ...lora_core.reports import Side, Spectrum, measure_alone, measure_on
from ...lora_core.stack import Entry
from .files import CACHE
from .key_maps import clip_map, model_map
from .patching import judge
from .protocols import Clip, Patcher
from .weights import weights_of


@dataclass(frozen=True)
class Inspected:
    """A file's verdict at strength 1, and its energy."""

    verdict: Verdict
    spectrum: Spectrum


def inspect_lora(name: str, model: Patcher | None = None, clip: Clip | None = None) -> Inspected:
    """Look into the LoRA of a name. Raises UnresolvedLora or FileError."""
    model_names = model_map(model) if model is not None else None
    clip_names = clip_map(clip) if clip is not None else None
    verdict = judge(Entry(name), model_names, clip_names)
    verdict.require_lora()
    # A key map lives as long as its model.
    names = [weakref.ref(found) if found is not None else None for found in (model_names, clip_names)]
    key = ("spectrum", verdict.lora.stamp, *names)
    return Inspected(verdict, CACHE.get(key, lambda: _spectrum(verdict, model, clip)))


def _spectrum(verdict: Verdict, model: Patcher | None, clip: Clip | None) -> Spectrum:
    sides = []
    for match, names, patcher in (
        (
            verdict.clip,
            clip_map(clip) if clip is not None else None,
            clip.patcher if clip is not None else None,
        ),
        (verdict.model, model_map(model) if model is not None else None, model),
    ):
        if match is not None and names is not None and patcher is not None and match.layers:
            left_out = frozenset(repeat.layer for repeat in match.repeats)
            sides.append(Side(match.layers, blocks_in(names), weights_of(patcher), left_out))
    return measure_on(verdict.lora, sides) if sides else measure_alone(verdict.lora, verdict.made_for)
