"""Patterns of PEFT configs: what people write means what it means in PEFT, and nothing takes long."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from lora_core.reading import read_file, read_lora
from lora_core.reading.peft_patterns import BadPattern, Patterns

WRITTEN = [
    "to_q",
    "^attn.to_q",
    r"attn\.to_.",
    r".*\.attn\.(to_q|to_k)",
    r"blocks\.\d+\.mlp",
    r"blocks\.(?:[0-9]|1[0-5])\.attn\.to_[qkv]$",
    r"(?:.*?(?:attn|mlp).*?(?:q|k|v|o)_proj.*?)",
    r"^single_transformer_blocks\.\d{1,2}\.proj_(?:mlp|out)$",
    r"(^|.*\.)ff\.net\.[02]",
    r"(.*\.)?layers\.[^.]+\.\w+",
]
PATHS = [
    "to_q",
    "attn.to_q",
    "x.attn.to_q",
    "attnXto_q",
    "blocks.7.attn.to_k",
    "blocks.15.attn.to_v",
    "blocks.16.attn.to_v",
    "a.blocks.3.mlp",
    "blocks.x.mlp",
    "single_transformer_blocks.12.proj_mlp",
    "t.single_transformer_blocks.12.proj_mlp",
    "ff.net.2",
    "u.ff.net.0",
    "buff.net.0",
    "model.layers.7.self_attn.q_proj",
    "layers.3.w",
]


@pytest.mark.parametrize("pattern", WRITTEN)
def test_what_people_write_in_peft_configs_matches_as_in_peft(pattern: str) -> None:
    patterns = Patterns([pattern])
    wanted = [path for path in PATHS if re.match(rf"(.*\.)?({pattern})$", path)]
    assert [path for path in PATHS if patterns.first_at(path)] == wanted
    assert wanted


def test_the_first_of_several_patterns_counts() -> None:
    patterns = Patterns(["attn.to_q", "to_q", "to_."])
    assert [patterns.first_at(path) for path in ("a.attn.to_q", "b.to_q", "b.to_k", "b.proj")] == [
        *("attn.to_q", "to_q", "to_."),
        None,
    ]
    assert Patterns(["^b.to_q", "c"]).first_at("unet.b.to_q", "b.to_q") == "^b.to_q"


REFUSED = [
    "(?i)x",
    "x(?i)y",
    "(",
    "a**",
    "[",
    "(?=a)b",
    r"\bx",
    "x{1000}",
    "[z-a]",
    "((((){64}){64}){64}){64}",
]
REFUSED += ["a" * 3_000, "(" * 40 + "a" + ")" * 40, f"({'|'.join('a' * 900)})*", "(?P<n>x)", r"(a)\1"]


@pytest.mark.parametrize("pattern", REFUSED)
def test_a_pattern_beyond_what_is_read_is_named(pattern: str, tmp_path: Path) -> None:
    started = time.process_time()
    with pytest.raises(BadPattern) as refused:
        Patterns(["fine", pattern])
    assert pattern[:20] in str(refused.value).replace("\\\\", "\\")
    assert time.process_time() - started < 2


def _peft_file(folder: Path, key: str, **config: Any) -> Path:
    factors = {f"{key}.lora_A.weight": torch.ones(2, 6), f"{key}.lora_B.weight": torch.ones(8, 2)}
    path = folder / "hostile.safetensors"
    metadata = {"lora_adapter_metadata": json.dumps({"r": 2, "lora_alpha": 4, **config})}
    path.write_bytes(save(factors, metadata))
    return path


@pytest.mark.parametrize("field", ["rank_pattern", "alpha_pattern", "target_modules"])
@pytest.mark.parametrize("pattern", [r"x\.(a|a)*b", r"(a*)*b", r"(.*a){12}b", r"(a?){30}a{30}b"])
def test_a_pattern_that_never_ends_in_python_ends_here(field: str, pattern: str, tmp_path: Path) -> None:
    value = pattern if field == "target_modules" else {pattern: 2}
    path = _peft_file(tmp_path, "x." + "a" * 34, **{field: value})
    started = time.process_time()
    lora = read_lora(read_file(path))
    assert lora.layers["x." + "a" * 34][0].scale == (1.0 if field == "target_modules" else 2.0)
    assert time.process_time() - started < 2


def test_hundreds_of_patterns_and_layers_take_no_time(tmp_path: Path) -> None:
    names = [f"transformer_blocks.{block}.attn.to_{part}" for block in range(200) for part in "qkvo"]
    tensors = {f"{name}.lora_{side}.weight": torch.ones(*shape) for name in names for side, shape in _SIDES}
    patterns = {"^" + re.escape(name): number + 1 for number, name in enumerate(names[:533])}
    config = {"r": 2, "lora_alpha": 4, "alpha_pattern": patterns}
    path = tmp_path / "hostile.safetensors"
    path.write_bytes(save(tensors, {"lora_adapter_metadata": json.dumps(config)}))
    started = time.process_time()
    lora = read_lora(read_file(path))
    assert [lora.layers[name][0].scale for name in (names[0], names[532], names[533])] == [0.5, 266.5, 2.0]
    assert time.process_time() - started < 3


_SIDES = (("A", (2, 6)), ("B", (8, 2)))
