"""The weights a stack changes, each with the steps it takes and the name it has in a file.

With a model the names are looked up in its key map, and slices of one weight come together. Without one the
names of the files themselves tell which layers are the same, and the file that is written keeps them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from ..adapters import Adapter, Difference, LowRank
from ..applying import ForeignStep, Match, Step, blocks_in, fuse, match, require_blocks
from ..blocks import ModelBlocks, Weight, blocks_of_model, blocks_without_model, whole_family, within
from ..errors import CannotSave
from ..families import Family, families
from ..key_maps import KeyMap, Target, canonical, family_of_file, is_text_encoder, likely_key
from ..reading import PartialLora
from ..stack import Entry


@dataclass(frozen=True, eq=False)
class SaveRow:
    """One LoRA of the stack that is saved."""

    entry: Entry
    lora: PartialLora


@dataclass(frozen=True, eq=False)
class SaveSide:
    """A connected model, or its text encoder. `weight` gives a weight by its key, None where it cannot be
    seen.
    """

    is_text_encoder: bool
    key_map: KeyMap
    weight: Callable[[str], Tensor | None]


@dataclass(frozen=True, eq=False)
class _Use:
    row: int
    layer: str
    target: Target
    strength: float
    weight: Weight


@dataclass(frozen=True, eq=False)
class SaveWeight:
    """One weight that is changed: `key` is the model's, or where no model is connected the layer's name in
    one spelling; `shape` is that of the weight, (out, in, *kernel); `block` is for the report.
    """

    key: str
    name: str  # of the layer as the first file has it
    shape: tuple[int, ...]
    block: str
    is_text_encoder: bool
    rows: tuple[SaveRow, ...]
    uses: tuple[_Use, ...]
    weight: Callable[[str], Tensor | None] = field(default=lambda key: None)

    @property
    def is_bias(self) -> bool:
        """Whether a bias is changed, and not a weight."""
        return self.name.endswith(".bias")

    def steps(self) -> list[Step]:
        """What the stack does to it, in order; the factors are read now. Raises CannotSave."""
        matches: list[Match] = []
        for index in dict.fromkeys(use.row for use in self.uses):
            layers = {use.layer: use.target for use in self.uses if use.row == index}
            matches.append(Match(self.rows[index].lora.layers(layers), layers, ()))
        first = {use.row: use for use in reversed(self.uses)}
        order = [first[index] for index in dict.fromkeys(use.row for use in self.uses)]
        strengths = [use.strength for use in order]
        weights = [{use.target.key: use.weight} for use in order]
        found = fuse(matches).at(strengths, weights)
        steps = [step for steps in found.values() for step in steps]
        if any(isinstance(step, ForeignStep) for step in steps):
            raise CannotSave(f"{self.name}: only ComfyUI's own adapters know its format")
        ours = [step for step in steps if isinstance(step, Step)]
        if any(step.adapter.grown_shape is not None for step in ours):
            raise CannotSave(
                f"{self.name}: a LoRA makes this weight larger, which no ordinary LoRA file can do"
            )
        return ours


def weights_on(rows: Sequence[SaveRow], side: SaveSide) -> list[SaveWeight]:
    """The weights of a model that a stack changes. Raises BadBlockText or ShapeMismatch."""
    require_blocks([row.entry for row in rows], side.key_map)
    blocks = blocks_in(side.key_map)
    uses: dict[str, list[_Use]] = {}
    for index, row in enumerate(rows):
        found = match(row.lora.outline, side.key_map)
        found.require_fit()
        _add(uses, index, row, found.layers, blocks, side.is_text_encoder)
    return [
        SaveWeight(
            key,
            here[0].layer,
            side.key_map.shapes[key],
            blocks.place(key).block,
            side.is_text_encoder,
            tuple(rows),
            tuple(here),
            side.weight,
        )
        for key, here in uses.items()
    ]


def weights_alone(rows: Sequence[SaveRow]) -> list[SaveWeight]:
    """The layers that a stack's files name, with no model at hand. Raises CannotSave where the names are not
    enough.
    """
    layers = [(index, layer) for index, row in enumerate(rows) for layer in row.lora.outline.layers]
    found: list[SaveWeight] = []
    for is_text in (False, True):
        mine = [(index, layer) for index, layer in layers if is_text_encoder(layer) == is_text]
        if mine:
            found += _alone(rows, mine, is_text)
    return found


def _alone(rows: Sequence[SaveRow], layers: Sequence[tuple[int, str]], is_text: bool) -> Iterator[SaveWeight]:
    known = _family_of(rows)
    likely = {one_spelling(layer): likely_key(layer, known) for _, layer in layers}
    blocks = _blocks_alone(known, tuple(likely.values()), is_text)
    shapes: dict[str, tuple[int, ...]] = {}
    uses: dict[str, list[_Use]] = {}
    for index, layer in layers:
        row, key = rows[index], one_spelling(layer)
        shape = _shape(row.lora.outline.layers[layer])
        if shapes.setdefault(key, shape) != shape:
            raise CannotSave(
                f"{layer} has another shape in {row.entry.name} than in a LoRA before it. They are for "
                "different models; save them apart"
            )
        strength = row.entry.strength_clip if is_text else row.entry.strength_model
        weight = row.entry.blocks.by_key(blocks)[likely[key]]
        if strength and weight:
            uses.setdefault(key, []).append(_Use(index, layer, Target(key), strength, weight))
    for key, here in uses.items():
        block = blocks.place(likely[key]).block
        yield SaveWeight(key, here[0].layer, shapes[key], block, is_text, tuple(rows), tuple(here))


def _blocks_alone(known: Family | None, keys: Sequence[str], is_text: bool) -> ModelBlocks:
    """The blocks of a model of which only the keys in some LoRAs are known: those of its family are there."""
    if is_text:
        return blocks_of_model(dict.fromkeys(keys, ()))
    blocks = blocks_without_model(known, keys)
    present = whole_family(known.id if known is not None else "", blocks.blocks(keys)).present
    return replace(blocks, present=present)


def _add(
    uses: dict[str, list[_Use]],
    index: int,
    row: SaveRow,
    layers: Mapping[str, Target],
    blocks: ModelBlocks,
    is_text: bool,
) -> None:
    strength = row.entry.strength_clip if is_text else row.entry.strength_model
    weights = row.entry.blocks.by_key(blocks)
    for layer, target in layers.items():
        weight = weights[target.key]
        if strength and within(weight, target.offset):
            uses.setdefault(target.key, []).append(_Use(index, layer, target, strength, weight))


def _family_of(rows: Sequence[SaveRow]) -> Family | None:
    """The one family all LoRAs may be for; None where nothing tells. Raises CannotSave for two."""
    ids: frozenset[str] | None = None
    for row in rows:
        made_for = family_of_file(row.lora.metadata, row.lora.outline.widths)
        if made_for.ids:
            left = frozenset(made_for.ids) if ids is None else ids & frozenset(made_for.ids)
            if not left:
                raise CannotSave(f"{row.entry.name} is for {made_for}, a LoRA before it for another family")
            ids = left
    return families()[sorted(ids)[0]] if ids else None


def one_spelling(layer: str) -> str:
    """A layer's name as every spelling of it has it."""
    is_bias = layer.endswith(".bias")
    return canonical(layer.removesuffix(".bias")) + (".bias" if is_bias else "")


def _shape(adapters: Sequence[Adapter]) -> tuple[int, ...]:
    """The shape of the weight, as far as a file tells: the kernel of a convolution is in its factors."""
    for adapter in adapters:
        if isinstance(adapter, LowRank) and adapter.down.ndim > 2:
            return (adapter.up.shape[0], *adapter.down.shape[1:])
        if isinstance(adapter, Difference):
            return tuple(adapter.difference.shape)
    shape = next((adapter.change_shape for adapter in adapters if adapter.change_shape), None)
    if shape is None:
        raise CannotSave("a layer does not tell the shape of its weight. Name the model the LoRA is for")
    return shape
