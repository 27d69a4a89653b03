"""All blocks of the model a LoRA was made for, as far as they are known without the model.

A file names only the blocks it changes. The record of a family has those of the models people train on, so
that a person sees which ones a file leaves alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..families import Family, families
from .families import PREFIX, ModelBlocks, Rule
from .ids import BlockId, is_of_text_encoder, read_id

BASE = "BASE"
# Every UNet of a version has its blocks; a transformer that keeps to the first of them may be a smaller one.
_SURE = frozenset({"IN", "M", "OUT"})


def whole_family(id: str, seen: Sequence[str]) -> ModelBlocks:
    """The family of an id, with the blocks its models have and those in a file; empty: an unknown family.

    `seen` are the latter, in the model's order, which holds where the family is unknown; those of text
    encoders are left out.
    """
    known = families().get(id)
    ids = [block for text in seen if not is_of_text_encoder(block := _id(text))]
    usual = tuple(_usual(known, ids)) if known is not None else ()
    kinds = _known_kinds(known) or tuple(dict.fromkeys(block.prefix for block in ids))
    name, title = (known.id, known.title) if known is not None else ("generic", "unknown model")
    rules = tuple(Rule(re.compile("(?!)"), kind) for kind in kinds)
    family = ModelBlocks(name, title, rules, prefix=PREFIX)
    order = {block: place for place, block in enumerate((*ids, *usual))}

    def place(block: BlockId) -> tuple[int, ...]:
        rank = family.rank(block)
        return (0, *rank) if rank is not None else (1, order[block])

    present = tuple(str(block) for block in sorted(order, key=place))
    return ModelBlocks(name, family.title, rules, prefix=PREFIX, present=present)


def _known_kinds(known: Family | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(id for _, id in known.blocks)) if known is not None else ()


def _usual(known: Family, seen: Sequence[BlockId]) -> Iterator[BlockId]:
    highest: dict[str, int] = {}
    for block in seen:
        if block.number is not None:
            highest[block.prefix] = max(block.number, highest.get(block.prefix, 0))
    for variant in known.variants:
        holds = all(highest[kind] <= last for kind, last in variant.items() if kind in highest)
        is_whole = any(2 * (highest.get(kind, -1) + 1) >= last + 1 for kind, last in variant.items())
        if holds and (is_whole or _SURE.issuperset(variant)):
            for kind, last in variant.items():
                yield from (BlockId(kind, number) for number in range(last + 1))
            return


def _id(text: str) -> BlockId:
    return read_id(text) or BlockId(text)
