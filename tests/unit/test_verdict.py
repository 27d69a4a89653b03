"""The verdict: what is an error, what is a line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lora_core.adapters import Adapter
from lora_core.adapters.full import Difference
from lora_core.adapters.loha import LoHa
from lora_core.adapters.low_rank import LowRank
from lora_core.adapters.oft import OFT
from lora_core.applying.matching import Foreign, match
from lora_core.applying.verdict import Verdict, report
from lora_core.cache import CacheUse
from lora_core.errors import NotALora, NothingMatches, ShapeMismatch
from lora_core.key_maps.key_map import KeyMap, Target
from lora_core.reading.files import Stamp
from lora_core.reading.lora import Lora
from lora_core.stack import Entry

MODEL = KeyMap(
    {"unet_a": Target("a.weight"), "unet_b": Target("b.weight")}, {"a.weight": (8, 6), "b.weight": (8, 6)}
)
CLIP = KeyMap({"te_a": Target("te.weight")}, {"te.weight": (4, 4)})
USE = CacheUse(bytes_held=3 * 2**20, bytes_allowed=2**30, entries=1, hits=0, misses=1)


def _low_rank(out: int, inner: int, rank: int) -> LowRank:
    return LowRank(torch.zeros(out, rank), torch.zeros(rank, inner), 1.0)


def _verdict(
    layers: dict[str, Adapter], entry: Entry, clip: KeyMap | None = CLIP, unknown: tuple[str, ...] = ()
) -> Verdict:
    held = {name: (adapter,) for name, adapter in layers.items()}
    leftovers = {key: torch.zeros(1) for key in unknown}
    lora = Lora(Stamp(Path("ink.safetensors"), 0, 0), {}, held, leftovers, 0, ("cat",), ("scale 2",))
    return Verdict(entry, lora, match(lora, MODEL), None if clip is None else match(lora, clip))


def test_a_whole_fit_is_one_line() -> None:
    verdict = _verdict({"unet_a": _low_rank(8, 6, 4), "te_a": _low_rank(4, 4, 4)}, Entry("ink", 0.8, 0.8))
    verdict.require_effect()
    assert (
        verdict.describe().splitlines()[0]
        == "ink at 0.8: 2 of 2 layers match (1 in the model, 1 in the text encoder); LoRA, rank 4"
    )


def test_a_partial_fit_is_a_summary_and_no_error() -> None:
    layers: dict[str, Adapter] = {
        "unet_a": _low_rank(8, 6, 4),
        "te_a": _low_rank(4, 4, 8),
        "te_b": _low_rank(4, 4, 8),
    }
    verdict = _verdict(layers, Entry("ink", 1, 0.5), unknown=("notes",))
    verdict.require_effect()
    assert verdict.describe().splitlines() == [
        "ink at model 1, text encoder 0.5: 2 of 3 layers match (1 in the model, 1 in the text encoder); "
        "LoRA, ranks 4 to 8",
        "  not in the model and text encoder: 1 layer, such as te_b",
        "  not a LoRA's: 1 key, such as notes",
        "  scale 2",
        "  1 embedding packed in (cat), left alone: "
        "extract them to models/embeddings to name them in the prompt",
    ]


def test_kinds_are_named_and_where_they_differ_from_the_host() -> None:
    layers: dict[str, Adapter] = {
        "unet_a": LoHa(*(torch.zeros(2, 2) for _ in range(4)), 1.0),
        "unet_b": OFT(torch.zeros(2, 4, 4), None, 0.0),
        "te_a": Difference(torch.zeros(4, 4)),
    }
    lines = _verdict(layers, Entry("ink")).describe().splitlines()
    assert lines[0].endswith("; LoHa, rank 2 (1 layer); OFT (1 layer); full difference (1 layer)")
    assert [line for line in lines if line.startswith("  OFT: turned once by the strength")]


def test_what_the_host_takes_is_said_and_not_called_unknown() -> None:
    lora = Lora(Stamp(Path("ink.safetensors"), 0, 0), {}, {}, {"a.new": torch.zeros(1)}, 0)
    adopted = {Target("a.weight"): Foreign(object(), frozenset({"a.new"}))}
    verdict = Verdict(Entry("ink"), lora, match(lora, MODEL, lambda *_: adopted), None)
    verdict.require_lora()
    verdict.require_effect()
    assert "  1 key of a format this pack has no formula for" in verdict.describe()
    assert "not a LoRA's" not in verdict.describe()


def test_weights_the_hosts_loader_leaves_are_said() -> None:
    verdict = _verdict({"unet_a": Difference(torch.zeros(8, 6))}, Entry("ink"))
    assert "skipped by" not in verdict.describe()
    lines = replace(verdict, unlisted=frozenset({"b.modulation", "a.modulation"})).describe().splitlines()
    note = "skipped by ComfyUI's own loader, written by this pack: 2 weights, such as a.modulation"
    assert f"  {note}" in lines


def test_a_file_nobody_takes_is_no_lora() -> None:
    lora = Lora(Stamp(Path("ink.safetensors"), 0, 0), {}, {}, {"a.new": torch.zeros(1)}, 0)
    with pytest.raises(NotALora, match=r"a\.new"):
        Verdict(Entry("ink"), lora, match(lora, MODEL), None).require_lora()


def test_nothing_matched_is_an_error_that_names_the_way_out() -> None:
    verdict = _verdict({"te_a": _low_rank(4, 4, 4)}, Entry("ink"), clip=None)
    with pytest.raises(NothingMatches, match=r"ink: none of its 1 layer is in the connected model .*'te_a'"):
        verdict.require_effect()


def test_another_shape_is_an_error_and_with_warn_a_line() -> None:
    verdict = _verdict({"unet_a": _low_rank(8, 6, 4), "unet_b": _low_rank(8, 5, 4)}, Entry("ink"))
    with pytest.raises(ShapeMismatch, match="unet_b"):
        verdict.require_effect()
    misfit = "unet_b makes a change of (8, 5), the model's weight is (8, 6)"
    assert (
        f"  left out because of another shape: 1 layer, such as {misfit}" in verdict.describe().splitlines()
    )


def test_the_report_ends_with_the_cache() -> None:
    assert report([], USE).splitlines() == [
        "nothing to apply: every entry is off or at 0",
        "cache: 3 of 1024 MiB",
    ]
