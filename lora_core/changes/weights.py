"""The weights a stack changes, each with the steps it takes and the name it has in a file.

With a model the names are looked up in its key map, and slices of one weight come together. Without one the
names of the files themselves tell which layers are the same, and the file that is written keeps them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..adapters import Adapter, Difference, LowRank
from ..applying import ForeignStep, Match, Step, blocks_in, match, require_blocks, settle
from ..blocks import ModelBlocks, Place, blocks_of_model, blocks_without_model, whole_family
from ..errors import CannotCombine
from ..families import Family, families
from ..key_maps import KeyMap, Target, canonical, family_of_file, is_text_encoder, likely_key
from ..reading import Lora, PartialLora, whole_name
from ..stack import Entry
from .uses import LayerUse, layer_uses, steps_of

if TYPE_CHECKING:
    from torch import Tensor


_AT_A_TIME = 32  # weights whose factors are in memory together


@dataclass(frozen=True, eq=False)
class StackRow:
    """One LoRA of a stack, and its file."""

    entry: Entry
    lora: PartialLora


@dataclass(frozen=True, eq=False)
class StackSide:
    """A connected model, or its text encoder. `weight` gives a weight by its key, None where it cannot be
    seen.
    """

    is_text_encoder: bool
    key_map: KeyMap
    weight: Callable[[str], Tensor | None]


@dataclass(frozen=True, eq=False)
class ChangedWeight:
    """One weight that is changed: `key` is the model's, or where no model is connected the layer's name in
    one spelling; `shape` is that of the weight, (out, in, *kernel); `place` is for reports.
    """

    key: str
    name: str  # of the layer as the first file has it
    shape: tuple[int, ...]
    place: Place  # its block and the part of it
    blocks: ModelBlocks  # of the model, or of the family the files are for
    is_text_encoder: bool
    rows: tuple[StackRow, ...]
    uses: tuple[LayerUse, ...]
    weight: Callable[[str], Tensor | None] = field(default=lambda key: None)

    @property
    def is_bias(self) -> bool:
        """Whether a bias is changed, and not a weight."""
        return self.name.endswith(".bias")

    @property
    def places(self) -> tuple[Place, ...]:
        """Its place, and those of its parts where it is several weights in one."""
        return (self.place, *(part.place for part in self.blocks.parts(self.key)))

    @property
    def changing(self) -> tuple[int, ...]:
        """The rows that change it, by their place in the stack."""
        return tuple(dict.fromkeys(use.row for use in self.uses))

    def layers(self, row: int) -> list[str]:
        """The layers of a row that change it."""
        return [use.layer for use in self.uses if use.row == row]

    def steps(self, row: int | None = None, read: Mapping[int, Lora] = MappingProxyType({})) -> list[Step]:
        """What the stack, or one row of it, does to it in order. Raises CannotCombine.

        `read` has the contents of rows that are read already; those of others are read now.
        """
        uses = [use for use in self.uses if row in (None, use.row)]
        steps = steps_of(uses, lambda row, layers: read.get(row) or self.rows[row].lora.layers(layers))
        if any(isinstance(step, ForeignStep) for step in steps):
            raise CannotCombine(f"{self.name}: only ComfyUI's own adapters know its format")
        ours = [step for step in steps if isinstance(step, Step)]
        if any(step.adapter.grown_shape is not None for step in ours):
            raise CannotCombine(
                f"{self.name}: a LoRA makes this weight larger, which is no change of the weight there is. "
                "Take that LoRA out"
            )
        return ours


def changed_weights(rows: Sequence[StackRow], sides: Sequence[StackSide] = ()) -> list[ChangedWeight]:
    """The weights a stack changes: those of connected models, and of a model or text encoder that is not
    connected those the names in the files tell of.

    Raises BadBlockText, ShapeMismatch, or CannotCombine where names are not enough.
    """
    found: list[ChangedWeight] = []
    matched: set[tuple[int, str]] = set()
    by_row = [_matches(row, sides) for row in rows]
    for side in sides:
        matches = [of_side[side.is_text_encoder] for of_side in by_row]
        matched |= {(index, layer) for index, one in enumerate(matches) for layer in one.layers}
        found += _on(rows, side, matches)
    absent = [is_text for is_text in (False, True) if is_text not in {side.is_text_encoder for side in sides}]
    layers = [(index, layer) for index, row in enumerate(rows) for layer in row.lora.outline.layers]
    for is_text in absent:
        mine = [use for use in layers if use not in matched and is_text_encoder(use[1]) == is_text]
        if mine:
            found += _alone(rows, mine, is_text)
    return found


def _matches(row: StackRow, sides: Sequence[StackSide]) -> dict[bool, Match]:
    """What one LoRA has of each side, by whether that is the text encoder."""
    found = {side.is_text_encoder: match(row.lora.outline, side.key_map) for side in sides}
    settled = zip((False, True), settle(found.get(False), found.get(True)), strict=True)
    return {is_text: one for is_text, one in settled if one is not None}


def read_in_turn(weights: Sequence[ChangedWeight]) -> Iterator[tuple[ChangedWeight, Mapping[int, Lora]]]:
    """Every weight with the contents of the layers that change it, by row, for `ChangedWeight.steps`.

    Some weights are read at once, which is all of the files that is in memory.
    """
    for start in range(0, len(weights), _AT_A_TIME):
        some = weights[start : start + _AT_A_TIME]
        layers: dict[int, list[str]] = {}
        for weight in some:
            for row in weight.changing:
                layers.setdefault(row, []).extend(weight.layers(row))
        rows = some[0].rows
        read = {row: rows[row].lora.layers(names) for row, names in layers.items()}
        yield from ((weight, read) for weight in some)


def left_out(rows: Sequence[StackRow], sides: Sequence[StackSide]) -> list[str]:
    """What no weight tells of, in words: layers that the connected models do not have, and tensors that no
    formula knows.
    """
    lines: list[str] = []
    connected = {side.is_text_encoder for side in sides}
    for row in rows:
        outline = row.lora.outline
        known = {name for side in sides for name in match(outline, side.key_map).names}
        lost = [
            layer
            for layer in outline.layers
            if whole_name(layer) not in known and is_text_encoder(layer) in connected
        ]
        if lost:
            lines.append(
                f"{row.entry.name}: the model does not have {len(lost)} of its layers ({lost[0]}, …)"
            )
        if outline.leftovers:
            first = next(iter(outline.leftovers))
            lines.append(
                f"{row.entry.name}: {len(outline.leftovers)} tensors are of no known kind ({first}, …)"
            )
    return lines


def _on(rows: Sequence[StackRow], side: StackSide, matches: Sequence[Match]) -> Iterator[ChangedWeight]:
    """The weights of one model; `matches` are those of the rows."""
    require_blocks([row.entry for row in rows], side.key_map)
    blocks = blocks_in(side.key_map)
    uses: dict[str, list[LayerUse]] = {}
    for index, (row, found) in enumerate(zip(rows, matches, strict=True)):
        found.require_fit()
        strength = row.entry.strength_clip if side.is_text_encoder else row.entry.strength_model
        for use in layer_uses(index, strength, found.layers, row.entry.blocks.by_key(blocks)):
            uses.setdefault(use.target.key, []).append(use)
    for key, here in uses.items():
        yield ChangedWeight(
            key,
            here[0].layer,
            side.key_map.shapes[key],
            blocks.place(key),
            blocks,
            side.is_text_encoder,
            tuple(rows),
            tuple(here),
            side.weight,
        )


def _alone(
    rows: Sequence[StackRow], layers: Sequence[tuple[int, str]], is_text: bool
) -> Iterator[ChangedWeight]:
    known = _family_of(rows)
    likely = {one_spelling(layer): likely_key(layer, known) for _, layer in layers}
    blocks = _blocks_alone(known, tuple(likely.values()), is_text)
    shapes: dict[str, tuple[int, ...]] = {}
    uses: dict[str, list[LayerUse]] = {}
    for index, layer in layers:
        row, key = rows[index], one_spelling(layer)
        shape = _shape(row.lora.outline.layers[layer])
        if shape and shapes.setdefault(key, shape) != shape:
            raise CannotCombine(
                f"{layer} has another shape in {row.entry.name} than in a LoRA before it. They are for "
                "different models; take one of them out"
            )
        strength = row.entry.strength_clip if is_text else row.entry.strength_model
        weight = row.entry.blocks.by_key(blocks)[likely[key]]
        if strength and weight:
            uses.setdefault(key, []).append(LayerUse(index, layer, Target(key), strength, weight))
    for key, here in uses.items():
        place = blocks.place(likely[key])
        yield ChangedWeight(
            key, here[0].layer, shapes.get(key, ()), place, blocks, is_text, tuple(rows), tuple(here)
        )


def _blocks_alone(known: Family | None, keys: Sequence[str], is_text: bool) -> ModelBlocks:
    """The blocks of a model of which only the keys in some LoRAs are known: those of its family are there."""
    if is_text:
        return blocks_of_model(dict.fromkeys(keys, ()))
    blocks = blocks_without_model(known, keys)
    present = whole_family(known.id if known is not None else "", blocks.blocks(keys)).present
    return replace(blocks, present=present)


def _family_of(rows: Sequence[StackRow]) -> Family | None:
    """The one family all LoRAs may be for; None where nothing tells. Raises CannotCombine for two."""
    ids: frozenset[str] | None = None
    for row in rows:
        made_for = family_of_file(row.lora.metadata, row.lora.outline.widths)
        if made_for.ids:
            left = frozenset(made_for.ids) if ids is None else ids & frozenset(made_for.ids)
            if not left:
                raise CannotCombine(
                    f"{row.entry.name} is for {made_for}, a LoRA before it for another family"
                )
            ids = left
    return families()[sorted(ids)[0]] if ids else None


def one_spelling(layer: str) -> str:
    """A layer's name as every spelling of it has it."""
    is_bias = layer.endswith(".bias")
    return canonical(layer.removesuffix(".bias")) + (".bias" if is_bias else "")


def _shape(adapters: Sequence[Adapter]) -> tuple[int, ...]:
    """The shape of the weight, as far as a file tells: the kernel of a convolution is in its factors.

    () where only the weight itself tells, as for an IA³.
    """
    for adapter in adapters:
        if isinstance(adapter, LowRank) and adapter.down.ndim > 2:
            return (adapter.up.shape[0], *adapter.down.shape[1:])
        if isinstance(adapter, Difference):
            return tuple(adapter.difference.shape)
    return next((adapter.change_shape for adapter in adapters if adapter.change_shape), ())
