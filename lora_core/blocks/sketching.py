"""Block weights as a picture small enough for a row of a rack, where no model and no file is at hand."""

from __future__ import annotations

from functools import cache, lru_cache

from ..errors import BadBlockText
from ..families import families
from .block_weights import BlockWeights
from .curves import read_curve
from .families import ModelBlocks
from .ids import BlockId
from .usual_blocks import whole_family

MOST_BARS = 30


@lru_cache(maxsize=1024)
def sketch(weights: BlockWeights) -> tuple[float, ...]:
    """At most 30 weights of whole blocks in the model's order, empty where no whole block has one.

    The model is the first of the known families in which the weights mean something. Of several blocks that
    share a bar the one furthest from 1 shows.
    """
    if not weights.blocks:
        return ()
    for model in _usual_models():
        try:
            curve = read_curve(weights, model)
        except BadBlockText:
            continue
        return _narrowed([curve.whole[block] for block in model.present])
    return ()


def _narrowed(numbers: list[float]) -> tuple[float, ...]:
    share = -(-len(numbers) // MOST_BARS) or 1
    runs = (numbers[first : first + share] for first in range(0, len(numbers), share))
    return tuple(max(run, key=lambda number: abs(number - 1)) for run in runs)


@cache
def _usual_models() -> tuple[ModelBlocks, ...]:
    """One model of every family whose blocks are known without a file."""
    every = ((id, record.variants[0]) for id, record in families().items() if record.variants)
    return tuple(
        whole_family(id, [str(BlockId(kind, n)) for kind, last in sizes.items() for n in range(last + 1)])
        for id, sizes in every
    )
