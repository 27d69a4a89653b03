"""What the page's equaliser shows: a LoRA's energy in each block of its family, and block weights as bars.

The page holds numbers and draws them; what a text means, and how a drawn curve is written, is decided here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ...lora_core.blocks import (
    BASE,
    WHOLE,
    ModelBlocks,
    draw_curve,
    fitting_presets,
    is_of_text_encoder,
    read_block_weights,
    read_curve,
    read_id,
    whole_family,
)
from ...lora_core.errors import BadRequest
from ...lora_core.key_maps import FileFamily
from ...lora_core.reading import Stamp
from ...lora_core.reports import Energy, Spectrum
from ...lora_core.untrusted import MAX_STRENGTH, is_strength, shown
from .. import host

Json = dict[str, Any]
Shares = Mapping[str, Mapping[str, float]]
"""Block id → word of an element → share of the file's energy, 0…1."""


@dataclass(frozen=True, eq=False)
class Profile:
    """The blocks of one LoRA's family and what the file does in them."""

    spectrum: Spectrum
    made_for: FileFamily  # the likeliest family first

    @cached_property
    def family(self) -> ModelBlocks:
        """The family with all blocks its models have."""
        return whole_family(next(iter(self.made_for.ids), ""), [part.block for part in self.spectrum.blocks])

    @cached_property
    def shares(self) -> Mapping[str, float]:
        """Bar → share of the file's energy; only bars the file changes."""
        return _summed((_bar(part), part.share) for part in self.spectrum.parts)

    @cached_property
    def elements(self) -> Shares:
        """Bar → element → share. An element is the word a part's path begins with, or the two."""
        found: dict[str, dict[str, float]] = {}
        for part in self.spectrum.parts:
            into = found.setdefault(_bar(part), {})
            for name in _names(part.element):
                into[name] = into.get(name, 0.0) + part.share
        return found

    @property
    def bars(self) -> tuple[str, ...]:
        """Every bar in order: the text encoder where the file changes it, then the model's blocks."""
        return (*((BASE,) if BASE in self.shares else ()), *self.family.present)

    @property
    def lacking(self) -> frozenset[str]:
        """The bars that stand for nothing in the file."""
        return frozenset({BASE, *self.family.present} - self.shares.keys())

    def as_json(self) -> Json:
        """{"family", "title", "alternatives", "blocks", "elements", "presets", "needsWeight"}."""
        return {
            "family": self.family.name,
            "title": self.family.title,
            "alternatives": list(self.made_for.names[1:]),
            "blocks": [self._block(id) for id in self.bars],
            "elements": list(dict.fromkeys(name for bar in self.bars for name in self.elements.get(bar, ()))),
            "presets": [
                {"name": one.name, "source": one.source, "isOfElements": one.is_of_elements}
                for one in fitting_presets(self.family)
            ],
            "needsWeight": dict(self.spectrum.needs_weight),
        }

    def _block(self, id: str) -> Json:
        block = read_id(id)
        return {
            "id": id,
            "kind": block.prefix if block is not None else id,
            "share": self.shares.get(id, 0.0),
            "isPresent": id in self.shares,
            "elements": self.elements.get(id, {}),
        }


class Profiles:
    """The profiles used last. A hand that draws asks for the same one many times a second."""

    MOST = 32

    def __init__(self) -> None:
        self._held: OrderedDict[Stamp, Profile] = OrderedDict()

    def get(self, name: str) -> Profile:
        """The profile of a LoRA. Raises UnresolvedLora, SearchUnfinished or FileError."""
        # First by what is known without much reading: a hand does not wait for a library to be hashed.
        inspected = host.inspect_lora(host.look_up(name))
        stamp = inspected.verdict.lora.stamp
        held = self._held.get(stamp)
        if held is None or held.spectrum is not inspected.spectrum:
            held = Profile(inspected.spectrum, inspected.verdict.made_for)
        self._held[stamp] = held
        self._held.move_to_end(stamp)
        if len(self._held) > self.MOST:
            self._held.popitem(last=False)
        return held


PROFILES = Profiles()


def draw(request: Json) -> Json:
    """{"name", "blocks", "elements", "part", "weights"} → the texts with `weights` drawn in, and their curve.

    `weights` are by bar, null for one whose weight is taken back; with none, the texts are only read. Raises
    RackError for what is no such request, BadBlockText, UnresolvedLora and FileError.
    """
    name, blocks, elements, part = (_text(request, field) for field in ("name", "blocks", "elements", "part"))
    drawn = _weights(request.get("weights", {}))
    found = PROFILES.get(name)
    weights = read_block_weights(blocks, elements)
    if drawn:
        try:
            weights = draw_curve(weights, found.family, drawn, part, found.lacking)
        except ValueError as error:
            raise BadRequest(str(error)) from None
    curve = read_curve(weights, found.family, part)
    return {
        "blocks": weights.blocks,
        "elements": weights.elements,
        "weights": {id: curve.weights[id] for id in found.bars},
        "whole": {id: curve.whole[id] for id in found.bars},
        "own": list(curve.own),
        "setParts": list(curve.parts),
    }


def _bar(part: Energy) -> str:
    block = read_id(part.block)
    return BASE if block is not None and is_of_text_encoder(block) else part.block


def _names(element: str) -> tuple[str, ...]:
    """`img.attn.qkv` is a part of `img` and of `img.attn`."""
    words = element.split(".")
    return tuple(dict.fromkeys((words[0], ".".join(words[:2]))))


def _summed(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for key, value in pairs:
        sums[key] = sums.get(key, 0.0) + value
    return sums


def _text(request: Json, field: str) -> str:
    value = request.get(field, WHOLE)
    if not isinstance(value, str):
        raise BadRequest(f"{field} must be a text, not {shown(value)}")
    return value


def _weights(value: Any) -> dict[str, float | None]:
    if not isinstance(value, dict):
        raise BadRequest(f"weights must be an object, not {shown(value)}")
    for id, weight in value.items():
        is_number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
        if weight is not None and not (is_number and is_strength(weight)):
            expected = f"a number from -{MAX_STRENGTH:g} to {MAX_STRENGTH:g} or null"
            raise BadRequest(f"the weight of {shown(id)} must be {expected}, not {shown(weight)}")
    return {id: None if weight is None else float(weight) for id, weight in value.items()}
