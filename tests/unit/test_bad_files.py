"""Files broken, incomplete or something else: each a typed error that names file, key and way out."""

from __future__ import annotations

import errno
import io
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from lora_core.applying.matching import match
from lora_core.errors import BrokenFile, FileError, NotALora, ShapeMismatch
from lora_core.key_maps.key_map import KeyMap, Target
from lora_core.reading.contents import read_file
from lora_core.reading.files import MAX_HEADER_BYTES, read_header
from lora_core.reading.lora import read_lora

UP, DOWN = "x.lora_up.weight", "x.lora_down.weight"


def _header(entries: Mapping[str, Any] | str, data: bytes = b"", length: int | None = None) -> bytes:
    text = entries if isinstance(entries, str) else json.dumps(entries)
    raw = text.encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def _entry(
    dtype: str = "F32", shape: tuple[int, ...] = (1,), offsets: tuple[int, int] = (0, 4)
) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def _pair(**changed: Tensor | None) -> dict[str, Tensor]:
    """A sound pair of factors with alpha, some of it replaced or taken away."""
    tensors = {"up": torch.ones(8, 2), "down": torch.ones(2, 6), "alpha": torch.tensor(1.0), **changed}
    names = {"up": UP, "down": DOWN, "mid": "x.lora_mid.weight"}
    return {names.get(role, f"x.{role}"): t for role, t in tensors.items() if t is not None}


def _with(tensor: Tensor, number: float) -> Tensor:
    tensor = tensor.clone()
    tensor.view(-1)[-1] = number
    return tensor


def _only(**tensors: Tensor) -> dict[str, Tensor]:
    return {f"x.{role}": tensor for role, tensor in tensors.items()}


SOUND = save(_pair())
ONES = torch.ones

BYTES: dict[str, tuple[bytes, type[FileError], str | None, str]] = {
    "empty": (b"", BrokenFile, None, "is empty"),
    "five bytes": (SOUND[:5], BrokenFile, None, "ends after 5 bytes"),
    "cut in the header": (SOUND[:40], BrokenFile, None, "claims a header of"),
    "cut in the data": (SOUND[:-1], BrokenFile, UP, "truncated"),
    "header beyond the file": (
        _header({}, length=10**6),
        BrokenFile,
        None,
        "claims a header of 1000000 bytes",
    ),
    "header over the limit": (
        _header({}, length=MAX_HEADER_BYTES + 1),
        BrokenFile,
        None,
        "the format allows",
    ),
    "header that is no JSON": (_header("{nonsense"), BrokenFile, None, "not JSON"),
    "header that is no UTF-8": (struct.pack("<Q", 2) + b"\xff\xfe", BrokenFile, None, "not JSON"),
    "header that is a list": (_header("[1]"), BrokenFile, None, "not a JSON object"),
    "header nested without end": (_header("[" * 10**5), BrokenFile, None, "not JSON"),
    "metadata that is text": (_header('{"__metadata__": "a"}'), BrokenFile, "__metadata__", "metadata"),
    "duplicate keys": (
        _header('{"a.alpha": %s, "a.alpha": %s}' % ((json.dumps(_entry()),) * 2), b"0000"),
        BrokenFile,
        "a.alpha",
        "twice",
    ),
    "unknown dtype": (_header({"a.alpha": _entry("F31")}, b"0000"), BrokenFile, "a.alpha", "dtype 'F31'"),
    "dtype that is a list": (
        _header({"a.alpha": {**_entry(), "dtype": []}}, b"0000"),
        BrokenFile,
        "a.alpha",
        r"dtype \[\]",
    ),
    "size beyond all memory": (
        _header({"a.alpha": _entry(shape=(2**70, 0), offsets=(0, 0))}),
        BrokenFile,
        "a.alpha",
        "not counts",
    ),
    "no dtype": (_header({"a.alpha": {"shape": [1]}}, b"0000"), BrokenFile, "a.alpha", "without dtype"),
    "negative size": (
        _header({"a.alpha": _entry(shape=(-1,))}, b"0000"),
        BrokenFile,
        "a.alpha",
        "not counts",
    ),
    "size that is true": (
        _header({"a.alpha": _entry(shape=(True,))}, b"0000"),
        BrokenFile,
        "a.alpha",
        "not counts",
    ),
    "span of another size": (
        _header({"a.alpha": _entry(shape=(2,))}, b"0000"),
        BrokenFile,
        "a.alpha",
        "needs 8",
    ),
    "offsets beyond the file": (
        _header({"a.alpha": _entry(offsets=(4, 8))}, b"0000"),
        BrokenFile,
        "a.alpha",
        "ends at byte 8",
    ),
    "offsets that overlap": (
        _header({"a.alpha": _entry(), "b.alpha": _entry(offsets=(2, 6))}, b"000000"),
        BrokenFile,
        "b.alpha",
        "overlaps 'a.alpha'",
    ),
    "GGUF": (b"GGUF" + bytes(20), NotALora, None, "GGUF"),
    "a web page": (b"<!DOCTYPE html><html></html>", NotALora, None, "web page"),
    "a git-lfs pointer": (b"version https://git-lfs.github.com/spec/v1\n", NotALora, None, "pointer"),
}

TENSORS: dict[str, tuple[dict[str, Tensor], type[FileError], str | None, str]] = {
    "no tensor": ({}, NotALora, None, "no tensor"),
    "a checkpoint": ({"model.diffusion_model.out.2.weight": ONES(1)}, NotALora, None, "whole checkpoint"),
    "a diffusion model": (
        {"blocks.0.q.weight": ONES(1), "blocks.0.q.bias": ONES(1)},
        NotALora,
        None,
        "whole model",
    ),
    "an embedding": ({"emb_params": ONES(1, 768)}, NotALora, None, "embedding"),
    "packed embeddings alone": ({"bundle_emb.cat.clip_l": ONES(1, 768)}, NotALora, None, "embedding"),
    "something else": ({"latent": ONES(1)}, NotALora, None, "'latent'"),
    "alphas alone": ({"decoder.snake.alpha": ONES(4)}, NotALora, None, "no key of a LoRA"),
    "up without down": (_pair(down=None), BrokenFile, UP, "no 'down'"),
    "down without up": (_pair(up=None), BrokenFile, DOWN, "no 'up'"),
    "core without a pair": (
        _only(**{"lora_mid.weight": ONES(2, 2, 3, 3)}),
        BrokenFile,
        "x.lora_mid.weight",
        "'up'",
    ),
    "ranks that differ": (_pair(up=ONES(8, 3)), BrokenFile, UP, r"\[8, 3\] and down \[2, 6\]"),
    "a core that does not fit": (
        _pair(mid=ONES(2, 3, 3, 3)),
        BrokenFile,
        "x.lora_mid.weight",
        "cannot be factors",
    ),
    "factors of one dimension": (_pair(up=ONES(8)), BrokenFile, UP, "cannot be factors"),
    "a factor of no numbers": (_pair(up=ONES(8, 0)), BrokenFile, UP, "empty"),
    "factors of integers": (_pair(up=ONES(8, 2, dtype=torch.int8)), BrokenFile, UP, "int8"),
    "NaN": (_pair(up=_with(ONES(8, 2), torch.nan)), BrokenFile, UP, "NaN or infinity"),
    "NaN in half precision": (_pair(up=_with(ONES(8, 2).half(), torch.nan)), BrokenFile, UP, "NaN"),
    "NaN in bfloat16": (_pair(down=_with(ONES(2, 6).bfloat16(), torch.nan)), BrokenFile, DOWN, "NaN"),
    "NaN in float8": (
        _pair(down=_with(ONES(2, 6), torch.nan).to(torch.float8_e4m3fn)),
        BrokenFile,
        DOWN,
        "NaN",
    ),
    "infinity": (_pair(down=_with(ONES(2, 6), -torch.inf)), BrokenFile, DOWN, "infinity"),
    "alpha that is NaN": (_pair(alpha=torch.tensor(torch.nan)), BrokenFile, "x.alpha", "NaN"),
    "alpha that is complex": (_pair(alpha=torch.tensor(1j)), BrokenFile, "x.alpha", "complex64"),
    "alpha of two numbers": (_pair(alpha=ONES(2)), BrokenFile, "x.alpha", "not one number"),
    "LoHa with a half missing": (
        _only(hada_w1_a=ONES(8, 2), hada_w1_b=ONES(2, 6)),
        BrokenFile,
        "x.hada_w1_a",
        "'hada_w2_a', 'hada_w2_b'",
    ),
    "LoHa of two shapes": (
        _only(hada_w1_a=ONES(8, 2), hada_w1_b=ONES(2, 6), hada_w2_a=ONES(7, 2), hada_w2_b=ONES(2, 6)),
        BrokenFile,
        "x.hada_w1_a",
        "cannot be factors",
    ),
    "LoKr with one side": (_only(lokr_w1=ONES(2, 2)), BrokenFile, "x.lokr_w1", "'lokr_w2'"),
    "LoKr with half a side": (
        _only(lokr_w1=ONES(2, 2), lokr_w2_a=ONES(4, 1)),
        BrokenFile,
        "x.lokr_w2_a",
        "'lokr_w2_b'",
    ),
    "GLoRA in part": (_only(**{"a1.weight": ONES(6, 2)}), BrokenFile, "x.a1.weight", "'glora_a2'"),
    "OFT of no square blocks": (
        _only(oft_blocks=ONES(2, 4, 3)),
        BrokenFile,
        "x.oft_blocks",
        "cannot be factors",
    ),
    "OFT with another rescale": (
        _only(oft_blocks=ONES(2, 4, 4), rescale=ONES(7, 1)),
        BrokenFile,
        "x.oft_blocks",
        r"rescale \[7, 1\]",
    ),
    "DoRA of another length": (_pair(dora_scale=ONES(7, 1)), BrokenFile, "x.dora_scale", r"\[7, 1\]"),
    "DoRA of two axes": (_pair(dora_scale=ONES(8, 6)), BrokenFile, "x.dora_scale", "one number per row"),
    "IA3 of a matrix": (
        {"x.on_input": torch.tensor(0), "x.weight": ONES(4, 4)},
        BrokenFile,
        "x.weight",
        "cannot be factors",
    ),
    "a shape of another weight": (
        _pair(reshape_weight=torch.tensor([8, 12])),
        BrokenFile,
        "x.reshape_weight",
        r"asks for \[8, 12\]",
    ),
    "a shape that is none": (_pair(reshape_weight=ONES(2)), BrokenFile, "x.reshape_weight", "not a shape"),
}


def _expect(path: Path, error: type[FileError], key: str | None, words: str) -> None:
    with pytest.raises(error, match=words) as raised:
        read_lora(read_file(path))
    assert type(raised.value) is error
    assert raised.value.key == key
    assert raised.value.path == path
    assert str(path) in str(raised.value)
    assert raised.value.remedy


def test_a_length_that_looks_like_a_web_page_is_a_length(tmp_path: Path) -> None:
    """The low byte of a header's length may be '<' where the writer does not pad it to a multiple of 8."""
    header = {"x.lora_up.weight": _entry(offsets=(0, 4))}
    path = tmp_path / "good.safetensors"
    for padding in range(256):
        data = _header({**header, "__metadata__": {"pad": "." * padding}}, b"0000")
        if data[:1] == b"<":
            break
    path.write_bytes(data)
    assert list(read_header(path).tensors) == ["x.lora_up.weight"]


@pytest.mark.parametrize("name", BYTES)
def test_bytes_that_are_no_file(name: str, tmp_path: Path) -> None:
    content, error, key, words = BYTES[name]
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    _expect(path, error, key, words)


@pytest.mark.parametrize("name", TENSORS)
def test_tensors_that_are_no_lora(name: str, tmp_path: Path) -> None:
    tensors, error, key, words = TENSORS[name]
    path = tmp_path / "bad.safetensors"
    path.write_bytes(save(tensors))
    _expect(path, error, key, words)


def test_what_is_not_there_or_no_file(tmp_path: Path) -> None:
    _expect(tmp_path / "none.safetensors", BrokenFile, None, "cannot be opened")
    _expect(tmp_path, BrokenFile, None, "is not a file")


@pytest.mark.parametrize("broken", ["open", "read"])
def test_what_the_system_refuses_names_the_file(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file one may not read, or on a disk that fails."""
    path = tmp_path / "good.safetensors"
    path.write_bytes(SOUND)

    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    def refuse(self: Path, mode: str, buffering: int = -1) -> Failing:
        if broken == "open":
            raise PermissionError(errno.EACCES, "Permission denied")
        return Failing()

    monkeypatch.setattr(Path, "open", refuse)
    _expect(path, BrokenFile, None, "cannot be read")


@pytest.mark.parametrize("alpha", [None, torch.tensor(0.0), torch.tensor(2.0), torch.tensor(2)])
def test_an_alpha_missing_or_0_is_the_rank_and_no_error(alpha: Tensor | None, tmp_path: Path) -> None:
    path = tmp_path / "good.safetensors"
    path.write_bytes(save(_pair(alpha=alpha)))
    lora = read_lora(read_file(path))
    assert lora.layers["x"][0].scale == 1
    assert any("alpha 0 in 1 layer" in note for note in lora.notes) == (alpha is not None and not alpha)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"r": 0, "lora_alpha": 1}', "rank below 1"),
        ('{"r": "two", "lora_alpha": 1}', "invalid rank, alpha, pattern or flag"),
        ('{"r": 2, "lora_alpha": NaN}', "not a number"),
        ('{"r": 2, "lora_alpha": 1, "alpha_pattern": {"(": 1}}', "invalid rank, alpha, pattern or flag"),
        ('{"r": 2, "lora_alpha": 1, "rank_pattern": [1]}', "invalid rank, alpha, pattern or flag"),
        ('{"r": 2, "lora_alpha": 1%s}' % ("0" * 400), "a number of 401 digits"),
        ('{"r": 2, "lora_alpha": 1, "use_rslora": "false"}', "'false' is neither"),
    ],
)
def test_a_broken_config_beside_the_file_is_named(content: str, words: str, tmp_path: Path) -> None:
    path, config = tmp_path / "good.safetensors", tmp_path / "adapter_config.json"
    path.write_bytes(save(_pair(alpha=None)))
    config.write_text(content, encoding="utf-8")
    with pytest.raises(BrokenFile, match=words) as raised:
        read_lora(read_file(path))
    assert raised.value.path == config


KINDS = {
    "LoRA": _pair(),
    "LoKr": _only(lokr_w1=ONES(2, 2), lokr_w2=ONES(4, 3)),
    "OFT": _only(oft_blocks=torch.zeros(2, 4, 4)),
    "BOFT": _only(oft_blocks=torch.zeros(1, 2, 4, 4)),
    "IA3": {"x.on_input": torch.tensor(1), "x.weight": ONES(6)},
    "DoRA": _pair(dora_scale=ONES(8, 1)),
    "difference": _only(diff=ONES(8, 6)),
    "value": _only(set_weight=ONES(8, 6)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_weight_of_another_shape_is_found_before_anything_is_patched(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "style.safetensors"
    path.write_bytes(save(KINDS[kind]))
    lora = read_lora(read_file(path))
    for shape, fits in (((8, 6), True), ((7, 5), False)):
        found = match(lora, KeyMap({"x": Target("x.weight")}, {"x.weight": shape}))
        assert (found.misfits == ()) is fits
    with pytest.raises(ShapeMismatch, match=r"style\.safetensors: x .*\(7, 5\)"):
        found.require_fit()
