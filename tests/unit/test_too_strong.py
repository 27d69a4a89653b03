"""Numbers that are finite and make no sense: refused at every door, and their products before a weight."""

from __future__ import annotations

import json
from pathlib import Path

import kinds
import pytest
import torch
from small_files import UNET_LAYER, Q, pair, save_lora, write_checkpoint
from torch import Tensor

from lora_core.adapters import LowRank, largest_change, pack
from lora_core.applying import Step, is_safe, require_numbers
from lora_core.axes import read_axes
from lora_core.blocks import read_block_weights
from lora_core.cli import main
from lora_core.errors import (
    BadBlockText,
    BadRow,
    BadStackText,
    BadSweepText,
    BrokenFile,
    Overflows,
)
from lora_core.grammar import parse, scan_prompt
from lora_core.key_maps import Target
from lora_core.library.sidecars import about
from lora_core.reading import read_file, read_lora
from lora_core.stack import Entry
from lora_core.untrusted import MAX_STRENGTH
from lora_core.workflows import rows_in_text

SENSELESS = ["1e300", "-1e300", "1e30", "1000.5", "-100000", "3.5e38"]


@pytest.mark.parametrize("number", SENSELESS)
@pytest.mark.parametrize("tag", ["{}", "0.5:{}", "unet={}", "0.5:te={}", "1:lbw=X=1:x={}"])
def test_a_tag_takes_no_senseless_number(tag: str, number: str) -> None:
    text = f"<lora:ink:{tag.format(number)}>"
    with pytest.raises(BadStackText, match=r"line 1, column \d+: .* from -1000 to 1000"):
        parse(text)
    assert scan_prompt(f"a lake {text}").found.errors


@pytest.mark.parametrize("number", SENSELESS)
@pytest.mark.parametrize(
    "text", ["IN04={}", "*={}", "default={}", ",".join(["1"] * 11 + ["{}"]), "A={} IN04=A", "IN04/attn2={}"]
)
def test_no_block_has_a_senseless_weight(text: str, number: str) -> None:
    with pytest.raises(BadBlockText, match="from -1000 to 1000"):
        read_block_weights(text.format(number))
    with pytest.raises(BadStackText, match="from -1000 to 1000"):
        parse(f"<lora:ink:1:lbw={text.format(number).replace(':', ' ')}>")


@pytest.mark.parametrize("text", ["X=1000 IN04=X+1", "IN04=-1000 INVERT", "A=-600 IN04=A-600"])
def test_a_weight_that_is_computed_is_held_to_the_same(text: str) -> None:
    with pytest.raises(BadBlockText, match="from -1000 to 1000"):
        read_block_weights(text)


def test_what_people_use_is_read() -> None:
    for number in (0, -100, 100, 20.5, MAX_STRENGTH, -MAX_STRENGTH):
        (entry,) = parse(f"<lora:ink:{number}:lbw=IN04={number}>").entries
        assert entry.strength_model == number
        assert entry.blocks.largest == max(1, abs(number))


@pytest.mark.parametrize("number", [1e300, -1001.0, float("inf"), float("nan"), 10**400])
def test_no_row_has_one(number: float) -> None:
    with pytest.raises(BadRow, match="must be a finite number from -1000 to 1000"):
        Entry("ink", number)
    with pytest.raises(BadRow, match="must be a finite number from -1000 to 1000"):
        Entry("ink", 1.0, number)


@pytest.mark.parametrize("line", ["<lora:ink:100> -50:50:3", "<lora:ink:unet=1:te=50> 0 100"])
def test_the_strengths_of_a_sweep_are_products(line: str) -> None:
    with pytest.raises(BadSweepText, match=r"line 1, column .* from -1000 to 1000"):
        read_axes(line)


def test_a_sidecar_that_recommends_one_recommends_nothing(tmp_path: Path) -> None:
    (tmp_path / "ink.json").write_text(json.dumps({"preferred weight": 1e300}), encoding="utf-8")
    (tmp_path / "ink.metadata.json").write_text('{"usage_tips": "{\\"strength\\": 1e99}"}', encoding="utf-8")
    assert about(tmp_path / "ink.safetensors", {}).strength is None


def test_a_workflow_that_names_one_says_so_and_keeps_the_others() -> None:
    nodes = {
        str(number): {"class_type": "LoraLoaderModelOnly", "inputs": {"lora_name": "a", "strength_model": s}}
        for number, s in enumerate((1e300, 0.5, -1e4))
    }
    found = rows_in_text(json.dumps(nodes))
    assert [entry.strength_model for entry in found.stack.entries] == [0.5]
    assert len(found.remarks) == 2
    assert all("from -1000 to 1000" in remark for remark in found.remarks)


@pytest.mark.parametrize("number", [*SENSELESS, "nan", "inf"])
def test_the_command_line_takes_none(tmp_path: Path, number: str, capsys: pytest.CaptureFixture[str]) -> None:
    model = write_checkpoint(tmp_path)
    lora = save_lora(tmp_path / "ink.safetensors", pair(UNET_LAYER, 8, 8))
    out = tmp_path / "out.safetensors"
    assert main(["merge", f"{lora}:{number}", "--into", str(model), "--out", str(out)]) == 2
    assert "from -1000 to 1000" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("alpha", [1e38, -1e30, 1e7])
def test_a_file_with_a_senseless_scale_is_broken(tmp_path: Path, alpha: float) -> None:
    tensors = {**pair(UNET_LAYER, 8, 8), f"{UNET_LAYER}.alpha": torch.tensor(alpha)}
    path = save_lora(tmp_path / "ink.safetensors", tensors)
    with pytest.raises(BrokenFile, match=rf"{UNET_LAYER}.alpha.* at most 1e\+06"):
        read_lora(read_file(path))


def test_an_alpha_that_scales_nothing_may_be_any(tmp_path: Path) -> None:
    """Trainers write ten thousand millions beside a LoKr whose halves are whole."""
    halves = {f"{UNET_LAYER}.lokr_w1": torch.ones(2, 2), f"{UNET_LAYER}.lokr_w2": torch.ones(4, 4)}
    path = save_lora(
        tmp_path / "a.safetensors", {**halves, f"{UNET_LAYER}.alpha": torch.tensor(9999220736.0)}
    )
    assert read_lora(read_file(path)).largest_change == 1.0


@pytest.mark.parametrize("kind", kinds.EVERY)
@pytest.mark.parametrize("size", [0.01, 1.0, 30.0])
def test_the_bound_is_one(kind: str, size: float) -> None:
    adapter = kinds.make(kind, (8, 8))
    weight = torch.rand(8, 8) * 2 - 1
    change = adapter.apply(weight.clone(), 1.0, torch.float32) - weight
    assert float(change.abs().max()) <= largest_change(adapter, pack(adapter)) + 8


def _steps(up: float, strength: float) -> dict[str, list[Step]]:
    adapter = LowRank(torch.full((4, 1), up), torch.ones(1, 4), 1.0)
    return {"w": [Step(Target("w"), adapter, strength)]}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("dtype", "up", "strength"),
    [(torch.float16, 70.0, 1000.0), (torch.bfloat16, 4e35, 1000.0), (torch.float8_e4m3fn, 4e35, 1000.0)],
)
def test_a_product_no_weight_holds_is_refused(dtype: torch.dtype, up: float, strength: float) -> None:
    def weight(key: str) -> tuple[Tensor, torch.dtype]:
        return torch.zeros(4, 4), dtype

    assert not is_safe([up * strength], [dtype])
    with pytest.raises(Overflows, match=r"w would have numbers beyond .* Lower .* of ink"):
        require_numbers(_steps(up, strength), weight, ["ink"])
    require_numbers(_steps(up, strength / 2), weight, ["ink"])  # suspicious, and it fits


def test_weights_that_were_broken_before_are_no_fault_of_the_stack() -> None:
    require_numbers(_steps(1e3, 1e3), lambda key: (torch.full((4, 4), torch.inf), torch.float16), ["ink"])


def test_a_merged_checkpoint_holds_no_infinity(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = write_checkpoint(tmp_path)
    factors = {key: value * 100 for key, value in pair(UNET_LAYER, 8, 8).items()}
    lora = save_lora(tmp_path / "ink.safetensors", factors)
    out = tmp_path / "out.safetensors"
    arguments = ["--into", str(model), "--out", str(out)]
    assert main(["merge", f"{lora}:1000", *arguments]) == 2
    assert f"{Q}.weight would have numbers beyond 65504" in capsys.readouterr().err
    assert [*tmp_path.glob("*out*")] == []
    assert main(["merge", f"{lora}:0.1", *arguments]) == 0
