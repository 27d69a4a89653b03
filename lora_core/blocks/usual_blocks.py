"""All blocks of the model a LoRA was made for, as far as they are known without the model.

A file names only the blocks it changes. usual.json has those of the models people train on, so that a person
sees which ones a file leaves alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from ..key_maps import Family as Known
from .data import table
from .families import PREFIX, ModelBlocks, Rule
from .ids import BlockId, is_of_text_encoder, read_blocks, read_id

BASE = "BASE"
# Every UNet of a version has its blocks; a transformer that keeps to the first of them may be a smaller one.
_SURE = frozenset({"IN", "M", "OUT"})
_NAMES: Mapping[str, str] = {
    "Stable Diffusion 1": "sd1",
    "Stable Diffusion 2": "sd2",
    "SDXL": "sdxl",
    "SDXL refiner": "sdxl_refiner",
    "Stable Video Diffusion": "svd",
}


def whole_family(title: str, seen: Sequence[str]) -> ModelBlocks:
    """The family of a title of key_maps/families.py, with the blocks its models have and those in a file.

    `seen` are the latter, in the model's order, which holds where the title is unknown; those of text
    encoders are left out.
    """
    ids = [block for text in seen if not is_of_text_encoder(block := _id(text))]
    usual = _usual(title, ids)
    known = next((one for one in Known if one.value == title), None)
    kinds = _known_kinds(known, title) or tuple(dict.fromkeys(block.prefix for block in ids))
    name = _NAMES.get(title) or (known.name.lower() if known else "generic")
    rules = tuple(Rule(re.compile("(?!)"), kind) for kind in kinds)
    family = ModelBlocks(name, title or "unknown model", rules, prefix=PREFIX)
    order = {block: place for place, block in enumerate((*ids, *usual))}

    def place(block: BlockId) -> tuple[int, ...]:
        rank = family.rank(block)
        return (0, *rank) if rank is not None else (1, order[block])

    present = tuple(str(block) for block in sorted(order, key=place))
    return ModelBlocks(name, family.title, rules, prefix=PREFIX, present=present)


def _known_kinds(known: Known | None, title: str) -> tuple[str, ...]:
    data = table("families")
    name = known.name if known else ("UNET" if title in _NAMES else "")
    rows = data["families"].get(data["same"].get(name, name), ())
    return tuple(dict.fromkeys(id for _, id in rows))


def _usual(title: str, seen: Sequence[BlockId]) -> Iterator[BlockId]:
    highest: dict[str, int] = {}
    for block in seen:
        if block.number is not None:
            highest[block.prefix] = max(block.number, highest.get(block.prefix, 0))
    for variant in _variants(title):
        holds = all(highest[kind] <= last for kind, last in variant.items() if kind in highest)
        is_whole = any(2 * (highest.get(kind, -1) + 1) >= last + 1 for kind, last in variant.items())
        if holds and (is_whole or _SURE.issuperset(variant)):
            for kind, last in variant.items():
                yield from (BlockId(kind, number) for number in range(last + 1))
            return


@cache
def _variants(title: str) -> tuple[Mapping[str, int], ...]:
    """For each variant of a family, kind of block → its last number."""
    return tuple(dict(map(_last, variant)) for variant in table("usual")["variants"].get(title, ()))


def _last(text: str) -> tuple[str, int]:
    blocks = read_blocks(text)
    assert blocks is not None
    assert blocks.first is not None
    last = blocks.last or blocks.first
    assert last.number is not None
    return last.prefix, last.number


def _id(text: str) -> BlockId:
    return read_id(text) or BlockId(text)
