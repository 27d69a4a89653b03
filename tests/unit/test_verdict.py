"""The verdict: what is an error, what is a line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lora_core.adapters.low_rank import LowRank
from lora_core.cache import CacheUse
from lora_core.errors import NothingMatches, ShapeMismatch
from lora_core.files import Stamp
from lora_core.lora import Foreign, LayerAdapter, Lora
from lora_core.patch import KeyMap, Target, match
from lora_core.stack import Entry
from lora_core.verdict import Verdict, report

MODEL = KeyMap(
    {"unet_a": Target("a.weight"), "unet_b": Target("b.weight")}, {"a.weight": (8, 6), "b.weight": (8, 6)}
)
CLIP = KeyMap({"te_a": Target("te.weight")}, {"te.weight": (4, 4)})
USE = CacheUse(bytes_held=3 * 2**20, bytes_allowed=2**30, entries=1, hits=0, misses=1)


def _low_rank(out: int, inner: int, rank: int) -> LowRank:
    return LowRank(torch.zeros(out, rank), torch.zeros(rank, inner), 1.0)


def _verdict(
    layers: dict[str, LayerAdapter], entry: Entry, clip: KeyMap | None = CLIP, unknown: tuple[str, ...] = ()
) -> Verdict:
    held = {name: (adapter,) for name, adapter in layers.items()}
    lora = Lora(Stamp(Path("ink.safetensors"), 0, 0), {}, held, unknown, 0)
    return Verdict(entry, lora, match(lora, MODEL), None if clip is None else match(lora, clip))


def test_a_whole_fit_is_one_line() -> None:
    verdict = _verdict({"unet_a": _low_rank(8, 6, 4), "te_a": _low_rank(4, 4, 4)}, Entry("ink", 0.8, 0.8))
    verdict.require_effect()
    assert (
        verdict.describe()
        == "ink at 0.8: 2 of 2 layers match (1 in the model, 1 in the text encoder); LoRA, rank 4"
    )


def test_a_partial_fit_is_a_summary_and_no_error() -> None:
    layers: dict[str, LayerAdapter] = {
        "unet_a": _low_rank(8, 6, 4),
        "te_a": _low_rank(4, 4, 8),
        "te_b": Foreign({}),
    }
    verdict = _verdict(layers, Entry("ink", 1, 0.5), unknown=("bundle_emb.x",))
    verdict.require_effect()
    assert verdict.describe().splitlines() == [
        "ink at model 1, text encoder 0.5: 2 of 3 layers match (1 in the model, 1 in the text encoder); "
        "LoRA, ranks 4 to 8; 1 layer through ComfyUI's own adapters",
        "  not in the model and text encoder: 1 layer, such as te_b",
        "  not a LoRA's: 1 key, such as bundle_emb.x",
    ]


def test_nothing_matched_is_an_error_that_names_the_way_out() -> None:
    verdict = _verdict({"te_a": _low_rank(4, 4, 4)}, Entry("ink"), clip=None)
    with pytest.raises(NothingMatches, match=r"ink: none of its 1 layer is in the connected model .*'te_a'"):
        verdict.require_effect()


def test_another_shape_is_an_error_and_with_warn_a_line() -> None:
    verdict = _verdict({"unet_a": _low_rank(8, 6, 4), "unet_b": _low_rank(8, 5, 4)}, Entry("ink"))
    with pytest.raises(ShapeMismatch, match="unet_b"):
        verdict.require_effect()
    misfit = "unet_b makes a change of (8, 5), the model's weight is (8, 6)"
    assert f"  left out for another shape: 1 layer, such as {misfit}" in verdict.describe().splitlines()


def test_the_report_ends_with_the_cache() -> None:
    assert report([], USE).splitlines() == [
        "nothing to apply: every entry is off or at 0",
        "cache: 3 of 1024 MiB",
    ]
