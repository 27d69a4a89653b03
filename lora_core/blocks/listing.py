"""Lists of blocks for people: `IN04-05, M00, OUT00-05`."""

from __future__ import annotations

from collections.abc import Iterable

from .ids import BlockId, read_id


def ranges(ids: Iterable[str]) -> str:
    """Ids in their order, those that follow on each other as one range."""
    runs: list[list[BlockId]] = []
    for text in ids:
        block = read_id(text) or BlockId(text)
        last = runs[-1][-1] if runs else None
        follows = last is not None and None not in (last.number, block.number) and last.prefix == block.prefix
        if follows and last is not None and block.number == (last.number or 0) + 1:
            runs[-1].append(block)
        else:
            runs.append([block])
    return ", ".join(_run(run) for run in runs)


def _run(run: list[BlockId]) -> str:
    first, last = str(run[0]), str(run[-1])
    return first if len(run) == 1 else f"{first}-{last[len(run[0].prefix) :]}"
