"""The fields of a family's record, and how they are read from its JSON."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Shapes = Mapping[str, tuple[int, ...]]
"""Weight key → shape, () for a packed weight that does not show it."""

Names = str | tuple[str, ...]
RowLayout = Literal["folded", "mixed"]


@dataclass(frozen=True)
class Marker:
    """Keys that tell a family: one of each group in `has`, none of `lacks`.

    An entry that ends in '.' stands for any key that begins so.
    """

    has: tuple[tuple[str, ...], ...]
    lacks: tuple[str, ...] = ()

    def fits(self, keys: Collection[str]) -> bool:
        """Whether `keys`, the keys of a model and their first folders (`img_in.`), are of the family."""
        has_all = all(any(entry in keys for entry in group) for group in self.has)
        return has_all and not any(entry in keys for entry in self.lacks)


@dataclass(frozen=True)
class NameTable:
    """What others call the layers of a family.

    `blocks` is {folder: (their folder, {module in a block: names})}, `outside` {module: name}. Several names
    are those of the parts of a fused weight, in its order; parts of one name are one slice, and one without a
    name is in no slice. `swapped` are modules whose output holds shift and scale, which diffusers keeps in
    the other order; one in a block is swapped only where it has these two outputs and no more (the last of
    SD3's blocks). `gated` are modules in a block whose gate and value diffusers keeps in the other order.
    """

    blocks: Mapping[str, tuple[str, Mapping[str, Names]]]
    outside: Mapping[str, str] = field(default_factory=dict)
    swapped: frozenset[str] = frozenset()
    gated: frozenset[str] = frozenset()


@dataclass(frozen=True)
class FusedWeight:
    """A weight that is several in one, known by the end of its module's path."""

    pattern: re.Pattern[str]
    along: int  # the dimension the parts follow each other in: 0 is rows, 1 columns
    parts: tuple[tuple[str, str], ...]  # (words, size): "in" or "out" of the weight, or a share of the "rest"

    def lengths(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """How long each part of a weight (out, in) is; empty where it cannot be cut so."""
        if len(shape) != 2:
            return ()
        known = {"out": shape[0], "in": shape[1]}
        shares = [size for _, size in self.parts if size == "rest"]
        left = shape[self.along] - sum(known.get(size, 0) for _, size in self.parts)
        share, over = divmod(left, len(shares))
        return () if share <= 0 or over else tuple(known.get(size, share) for _, size in self.parts)


@dataclass(frozen=True)
class VectorReading:
    """One meaning of a list of numbers: for models with so many blocks of each kind, or any of the family."""

    cells: tuple[str, ...]  # the blocks each number goes to, as in a text
    source: str
    counts: Mapping[str, int]

    @property
    def length(self) -> int:
        """How many numbers."""
        return len(self.cells)

    def fits(self, counts: Mapping[str, int]) -> bool:
        """Whether it is meant for a model with so many blocks of a kind."""
        return all(counts.get(kind) == count for kind, count in self.counts.items())


@dataclass(frozen=True)
class Preset:
    """A named list of numbers; a cell is a number or a letter as in a text."""

    name: str
    cells: tuple[str, ...]
    numbers: tuple[float, ...]  # its cells, if they are numbers all
    source: str


@dataclass(frozen=True)
class Version:
    """What tells a version of a family from the others: a weight whose key has `key` in it, and how wide the
    vectors are that the weight reads; 0: any.
    """

    key: str
    width: int = 0
    only: re.Pattern[str] | None = None  # what the paths of all layers of the version match

    def fits(self, shapes: Shapes) -> bool:
        """Whether a model of the family, by its weights without any prefix, is of the version."""
        found = [shape for key, shape in shapes.items() if self.key in f".{key}"]
        return any(not self.width or (len(shape) > 1 and shape[1] == self.width) for shape in found)


@dataclass(frozen=True, eq=False)
class Family:
    """A record. `like` is the family whose fields hold where the record has none of its own."""

    id: str
    title: str  # the name people know it by
    source: str
    is_tried: bool  # whether a ComfyUI of the record was run with it
    like: Family | None
    version: Version | None  # of `like`; None for a family with markers of its own
    markers: tuple[Marker, ...]
    called: tuple[str, ...]  # beginnings of what trainers and sites call it: lower case, letters and digits
    encoders: tuple[tuple[str, ...], ...]  # sets of text encoders it is used with, the usual set first
    prefixes: tuple[str, ...]  # trainers' own for it; one that ends in '_' has a path joined by '_' after it
    widths: frozenset[int]  # of what its attention reads, in all sizes of model; empty: not told
    modules: tuple[str, ...]  # the paths of all weights, '#' for the numbers of a block
    folder: str  # of the model that trainers leave out of paths; empty: none
    tables: tuple[NameTable, ...]
    released_as: tuple[tuple[str, str], ...]  # (ComfyUI's part of a key, the same in the released file)
    in_proj: str  # what stands before q, k and v of a fused `in_proj`; empty: it is not cut
    blocks: tuple[tuple[re.Pattern[str], str], ...]  # pattern of a key, id; the first that fits decides
    elements: tuple[tuple[str, str], ...]  # pattern of a part of a key, words
    fused: tuple[FusedWeight, ...]
    variants: tuple[Mapping[str, int], ...]  # for each size of model, kind of block → its last number
    readings: tuple[VectorReading, ...]
    presets: tuple[Preset, ...]
    rows: Mapping[
        RowLayout, tuple[re.Pattern[str], ...]
    ]  # modules whose input has other rows than one a picture

    @property
    def root(self) -> Family:
        """The family that a version is of; any other family itself."""
        return self.like if self.version is not None and self.like is not None else self


def read_record(id: str, data: Mapping[str, Any], like: Family | None) -> Family:
    """A record as a family. `like` is the family its `like` names."""
    vectors = data.get("vectors")
    own_tables = tuple(_table(table) for table in data.get("names", ()))
    return Family(
        id=id,
        title=data["title"],
        source=data["source"],
        is_tried=not data.get("untried", False),
        like=like,
        version=_version(data["version"]) if "version" in data else None,
        markers=tuple(_marker(marker) for marker in data.get("markers", ())),
        called=tuple(data.get("called", ())),
        encoders=tuple(map(tuple, data["encoders"])) if "encoders" in data else like.encoders if like else (),
        prefixes=(*data.get("prefixes", ()), *(like.prefixes if like else ())),
        widths=frozenset(data.get("widths", ())),
        modules=tuple(_modules(data.get("modules", {}))),
        folder=data.get("folder") or (like.folder if like else ""),
        tables=own_tables + (like.tables if like else ()),
        released_as=tuple(map(tuple, data.get("released_as", ()))) or (like.released_as if like else ()),
        in_proj=data.get("in_proj") or (like.in_proj if like else ""),
        blocks=_blocks(data) or (like.blocks if like else ()),
        elements=tuple(map(tuple, data.get("elements", ()))) + (like.elements if like else ()),
        fused=read_fused(data) + (like.fused if like else ()),
        variants=_variants(data["variants"]) if "variants" in data else (like.variants if like else ()),
        readings=_readings(vectors) if vectors is not None else (like.readings if like else ()),
        presets=tuple(_presets(vectors)) if vectors is not None else (like.presets if like else ()),
        rows={rows: _patterns(entries) for rows, entries in data.get("rows", {}).items()},
    )


def read_fused(data: Mapping[str, Any]) -> tuple[FusedWeight, ...]:
    """The fused weights of a record or of elements.json."""
    return tuple(
        FusedWeight(re.compile(rf"(?:^|\.)(?:{row['keys']})$"), row["along"], tuple(map(tuple, row["parts"])))
        for row in data.get("fused", ())
    )


def _version(data: Mapping[str, Any]) -> Version:
    only = re.compile(data["only"]) if "only" in data else None
    return Version(data["key"], data.get("width", 0), only)


def _modules(data: Mapping[str, list[str]]) -> Iterator[str]:
    for folder, paths in data.items():
        yield from (f"{folder}.{path}" if folder else path for path in paths)


def _variants(data: list[list[str]]) -> tuple[Mapping[str, int], ...]:
    """`D00-18` as {"D": 18}."""
    kinds = [[re.fullmatch(r"([A-Z]+)(?:\d+-)?(\d+)", text) for text in variant] for variant in data]
    return tuple({found[1]: int(found[2]) for found in variant if found} for variant in kinds)


def _marker(data: Mapping[str, Any]) -> Marker:
    has = tuple((entry,) if isinstance(entry, str) else tuple(entry) for entry in data["has"])
    return Marker(has, tuple(data.get("lacks", ())))


def _table(data: Mapping[str, Any]) -> NameTable:
    blocks = {
        folder: (theirs, {module: _names(names) for module, names in modules.items()})
        for folder, (theirs, modules) in data.get("blocks", {}).items()
    }
    swapped, gated = (frozenset(data.get(name, ())) for name in ("swapped", "gated"))
    return NameTable(blocks, data.get("outside", {}), swapped, gated)


def _names(names: str | list[str]) -> Names:
    return names if isinstance(names, str) else tuple(names)


def _blocks(data: Mapping[str, Any]) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(pattern), id) for pattern, id in data.get("blocks", ()))


def _readings(vectors: Mapping[str, Any]) -> tuple[VectorReading, ...]:
    return tuple(
        VectorReading(tuple(row["cells"]), row["source"], row.get("counts", {}))
        for row in vectors.get("readings", ())
    )


def _presets(vectors: Mapping[str, Any]) -> Iterator[Preset]:
    for group in vectors.get("presets", ()):
        for name, text in group["presets"].items():
            cells = tuple(_cells(text))
            numbers = () if re.search("[A-Z]", text) else tuple(map(float, cells))
            yield Preset(name, cells, numbers, group["source"])


def _cells(text: str) -> list[str]:
    cells: list[str] = []
    for part in text.split(","):
        value, _, count = part.strip().partition("*")
        cells += [value] * int(count or 1)
    return cells


def _patterns(entries: Collection[Mapping[str, str]]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(entry["path"]) for entry in entries)
