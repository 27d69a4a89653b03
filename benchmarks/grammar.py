"""`grammar`: a stack of 1,000 rows read from its text and written again, rows of every kind among them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import in_host
from timing import seconds

ROWS = (
    "<lora:styles/ink:0.8>",
    "<lora:ink:unet=0.8:te=0.3>",
    "<lora:ink:0.8:lbw=0.{i},0,0,0,1,1,1,0,0,0,0,0,0,0,0,0,0>",
    "<lora:ink:0.8:lbw=BASE=1 IN04-08=0.{i} OUT*=0>",
    "<lora:ink:0.8:lbwe=IN05-OUT05/attn2=0.{i}>",
    "<lora:ink:0.8:start=0.2:stop=0.7:hash=3f2a91c0de>",
    "# <lora:ink:0.8>",
    "# a remark",
)
ROW_COUNT = 1000
RUNS = 5


def run() -> Iterator[tuple[str, dict[str, float]]]:
    """The best of five runs. No two rows have the same block weights: reading those is kept."""
    grammar = in_host.load_pack().lora_core.grammar
    read_s, write_s = [], []
    for turn in range(RUNS):
        rows = (ROWS[i % len(ROWS)].replace("{i}", f"{turn}{i}") for i in range(ROW_COUNT))
        text = "\n".join(rows)
        read_s.append(seconds(partial(grammar.parse, text)))
        write_s.append(seconds(partial(grammar.write, grammar.parse(text))))
    yield f"{ROW_COUNT} rows", {"read_s": min(read_s), "write_s": min(write_s)}
