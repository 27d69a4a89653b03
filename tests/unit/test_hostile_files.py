"""Files made to do harm: each kind is a typed error, or works, in bounded time and memory."""

from __future__ import annotations

import json
import math
import struct
import time
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from lora_core.errors import BadJson, BrokenFile
from lora_core.key_maps import FileFamily
from lora_core.library.file_facts import read_facts
from lora_core.reading import read_file, read_header, read_lora
from lora_core.reports import Spectrum, measure_alone
from lora_core.untrusted import MAX_DEPTH, MAX_VALUES, read_json

ONES = torch.ones


def _file(folder: Path, header: Any, data: bytes = b"") -> Path:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = folder / "hostile.safetensors"
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + data)
    return path


def _saved(folder: Path, tensors: Mapping[str, Tensor], **metadata: str) -> Path:
    path = folder / "hostile.safetensors"
    path.write_bytes(save(dict(tensors), metadata=metadata or None))
    return path


def _layer(**roles: Tensor) -> dict[str, Tensor]:
    return {f"x.{role}": tensor for role, tensor in roles.items()}


def _spectrum(path: Path) -> Spectrum:
    return measure_alone(read_lora(read_file(path)), FileFamily())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000, "deep"),
        ('{"a":' * 100_000, "deep"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "deep"),
        ('{"a": ' + "1" * 5_000 + "}", "5000 digits"),
        ("-" + "9" * 400, "400 digits"),
        ("1e999", "a number that is too large"),
        ("[NaN]", "not a number"),
        ('{"a": 1, "a": 2}', "'a' twice"),
        (b"\xff\xfe{}", "UTF-8"),
        ("[" + "{}," * MAX_VALUES + "{}]", "values"),
        ("{", "not JSON"),
    ],
)
def test_json_from_outside_is_read_within_bounds(text: str | bytes, words: str) -> None:
    started = time.process_time()
    with pytest.raises(BadJson, match=words):
        read_json(text)
    assert time.process_time() - started < 2


def test_json_within_the_bounds_is_what_python_reads() -> None:
    text = "[" * (MAX_DEPTH - 1) + '{"a": [1, 2.5, -3e-2, "\\ud83d", null, true], "b": 18446744073709551615}'
    text = text[1:] + "]" * (MAX_DEPTH - 2)
    assert read_json(text) == json.loads(text)
    assert read_json(b'\xef\xbb\xbf{"a": NaN}', lenient=True) == {"a": None}
    commas = json.dumps({"tags": "," * (MAX_VALUES + 1)})
    assert read_json(commas) == json.loads(commas)


SHAPES = {
    "300 sizes of 2^62": [2**62] * 300,
    "64 sizes of 2^62": [2**62] * 64,
    "60,000 sizes": [1] * 60_000,
    "nothing times everything": [2**62, 0, 2**62],
    "no count": [1e300],
    "a number of 39 digits": [10**38],
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_shape_no_file_holds_is_one_broken_file(shape: list[Any], tmp_path: Path) -> None:
    entry = {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}
    path = _file(tmp_path, {"x.lora_up.weight": entry})
    started = time.process_time()
    with pytest.raises(BrokenFile) as raised:
        read_header(path)
    assert raised.value.key == "x.lora_up.weight"
    assert len(str(raised.value)) < 3_000
    assert read_facts(path).problem == str(raised.value)
    assert time.process_time() - started < 1


def test_a_key_as_long_as_a_file_is_named_by_its_beginning(tmp_path: Path) -> None:
    path = _file(tmp_path, {"k" * 1_000_000: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"0000")
    with pytest.raises(BrokenFile, match="1000000 letters") as raised:
        read_header(path)
    assert len(str(raised.value)) < 1_000


# Which tensors cannot be → the key that is named.
TENSORS: dict[str, tuple[dict[str, Tensor], str]] = {
    "LoHa of vectors": (
        _layer(**dict.fromkeys(("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"), ONES(4))),
        "x.hada_w1_a",
    ),
    "LoHa of scalars": (
        _layer(**dict.fromkeys(("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"), ONES(()))),
        "x.hada_w1_a",
    ),
    "GLoRA of vectors": ({f"x.{name}.weight": ONES(4) for name in ("a1", "a2", "b1", "b2")}, "x.a1.weight"),
    "LoKr of vectors": (_layer(lokr_w1=ONES(4), lokr_w2=ONES(4)), "x.lokr_w1"),
    "LoKr whose second factor is a scalar": (
        _layer(lokr_w1=ONES(2, 2), lokr_w2_a=ONES(()), lokr_w2_b=ONES(2, 2)),
        "x.lokr_w2_a",
    ),
    "a scalar difference": (_layer(diff=ONES(())), "x.diff"),
    "a difference of six dimensions": (_layer(diff=ONES(1, 1, 1, 1, 1, 1)), "x.diff"),
    "a scalar value": (_layer(set_weight=ONES(())), "x.set_weight"),
    "OFT of a matrix": (_layer(oft_blocks=ONES(4, 4)), "x.oft_blocks"),
    "a scalar rescale": (_layer(oft_blocks=ONES(1, 4, 4), rescale=ONES(())), "x.rescale"),
    "PEFT's magnitude as a scalar": (
        {"x.lora_A.weight": ONES(2, 4), "x.lora_B.weight": ONES(4, 2), "x.lora_magnitude_vector": ONES(())},
        "x.lora_magnitude_vector",
    ),
    "alpha of 1e300": (
        _layer(
            **{
                "lora_up.weight": ONES(4, 1),
                "lora_down.weight": ONES(1, 4),
                "alpha": torch.tensor(1e300, dtype=torch.float64),
            }
        ),
        "x.alpha",
    ),
    "factors of 1e300": (
        _layer(**{"lora_up.weight": ONES(4, 1).double() * 1e300, "lora_down.weight": ONES(1, 4)}),
        "x.lora_up.weight",
    ),
    "two kinds of other shapes": (
        _layer(**{"lora_up.weight": ONES(4, 1), "lora_down.weight": ONES(1, 4), "diff": ONES(5, 5)}),
        "x.lora_up.weight",
    ),
    "two biases of other shapes": (_layer(diff_b=ONES(4), b_norm=ONES(5)), "x.diff_b"),
    "a core that makes gigabytes": (
        _layer(
            **{
                "lora_up.weight": ONES(1, 12_000),
                "lora_down.weight": ONES(1, 12_000, 1, 1),
                "lora_mid.weight": ONES(12_000, 1, 1, 1),
            }
        ),
        "x.lora_mid.weight",
    ),
}


@pytest.mark.parametrize("case", TENSORS)
def test_tensors_no_formula_can_take_are_named(case: str, tmp_path: Path) -> None:
    tensors, key = TENSORS[case]
    with pytest.raises(BrokenFile) as raised:
        read_lora(read_file(_saved(tmp_path, {name: t.clone() for name, t in tensors.items()})))
    assert raised.value.key in tensors
    assert raised.value.key == key or "others" in raised.value.problem


def _loha(out: int, inner: int, rank: int) -> dict[str, Tensor]:
    numbers = torch.Generator().manual_seed(1)
    shapes = {"hada_w1_a": (out, rank), "hada_w1_b": (rank, inner)}
    shapes |= {"hada_w2_a": (out, rank), "hada_w2_b": (rank, inner)}
    return _layer(**{role: torch.randn(*shape, generator=numbers) for role, shape in shapes.items()})


def _dense(tensors: Mapping[str, Tensor]) -> Tensor:
    a, b, c, d = (tensors[f"x.hada_w{half}"].double() for half in ("1_a", "1_b", "2_a", "2_b"))
    return (a @ b) * (c @ d)


LARGE = {
    "a LoHa of 40,000": _loha(40_000, 40_000, 1),
    "a LoHa and a LoRA of 40,000": {
        **_layer(**{f"hada_w{half}_a": ONES(40_000, 1) for half in "12"}),
        **_layer(**{f"hada_w{half}_b": ONES(1, 40_000) for half in "12"}),
        **_layer(**{"lora_B.weight": ONES(40_000, 1), "lora_A.weight": ONES(1, 40_000)}),
    },
    "a LoHa and a LoRA of 12,000": {
        **_loha(12_000, 12_000, 1),
        **_layer(**{"lora_up.weight": ONES(12_000, 1), "lora_down.weight": ONES(1, 12_000)}),
    },
    "a LoKr and a LoRA of 6,400": {
        **_layer(lokr_w1=ONES(80, 80), lokr_w2=ONES(80, 80)),
        **_layer(**{"lora_up.weight": ONES(6_400, 1), "lora_down.weight": ONES(1, 6_400)}),
    },
}


@pytest.mark.parametrize("case", LARGE)
def test_the_energy_of_large_changes_takes_little(case: str, tmp_path: Path) -> None:
    path = _saved(tmp_path, LARGE[case])
    started = time.process_time()
    (part,) = _spectrum(path).parts
    assert time.process_time() - started < 3
    if case == "a LoHa and a LoRA of 40,000":
        assert part.energy == pytest.approx(4 * 40_000**2, rel=1e-6)
    if case.startswith("a LoKr"):
        assert part.energy == pytest.approx(4 * 6_400**2, rel=1e-6)


@pytest.mark.parametrize("rank", [1, 2, 9])
def test_the_energy_of_a_loha_is_that_of_its_numbers(rank: int, tmp_path: Path) -> None:
    tensors = _loha(48, 30, rank)
    wanted = float(_dense(tensors).square().sum())
    assert _spectrum(_saved(tmp_path, tensors)).parts[0].energy == pytest.approx(wanted, rel=1e-5)
    beside = {"x.lora_up.weight": torch.randn(48, 2), "x.lora_down.weight": torch.randn(2, 30)}
    sum_of_both = _dense(tensors) + (beside["x.lora_up.weight"] @ beside["x.lora_down.weight"]).double()
    wanted = float(sum_of_both.square().sum())
    assert _spectrum(_saved(tmp_path, tensors | beside)).parts[0].energy == pytest.approx(wanted, rel=1e-4)


def test_a_change_too_large_to_look_at_is_a_broken_file(tmp_path: Path) -> None:
    tensors = _layer(lokr_w1=ONES(300, 300), lokr_w2=ONES(300, 300))
    tensors |= _layer(**{"lora_up.weight": ONES(90_000, 1), "lora_down.weight": ONES(1, 90_000)})
    with pytest.raises(BrokenFile, match="90000 × 90000 numbers"):
        _spectrum(_saved(tmp_path, tensors))


def test_the_energy_of_the_largest_factors_is_a_number(tmp_path: Path) -> None:
    most = torch.finfo(torch.float32).max
    tensors = {"x.lora_up.weight": ONES(4, 2) * most, "x.lora_down.weight": ONES(2, 4) * most}
    found = _spectrum(_saved(tmp_path, tensors))
    assert math.isfinite(found.parts[0].energy)
    json.dumps(found.as_json(), allow_nan=False)
    loha = {name: ONES(*tensor.shape) * most for name, tensor in _loha(4, 4, 2).items()}
    with pytest.raises(BrokenFile, match="too large for a number") as raised:
        _spectrum(_saved(tmp_path, loha))
    assert raised.value.key == "x"


def test_reading_a_bad_header_takes_little_memory(tmp_path: Path) -> None:
    path = _file(tmp_path, b'{"a":[' + b"{}," * 4_000_000 + b"{}]}")
    tracemalloc.start()
    with pytest.raises(BrokenFile, match="values"):
        read_header(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 2**20
