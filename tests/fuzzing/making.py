"""Hostile inputs, made from a generator of random numbers: the same number makes the same input for good."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

import torch
from PIL import Image, PngImagePlugin
from safetensors.torch import save

_ODD: dict[str, Any] = json.loads(Path(__file__).with_name("odd.json").read_text(encoding="utf-8"))
ODD_NUMBERS = (0, 1, -1, 2**31, 2**53, 2**62, 2**63, 2**64, 10**40, -(10**30), 0.5, 1e300, -1e308, 5e-324)
ODD_TEXTS: Sequence[str] = [*_ODD["texts"], "x" * 3_000, "9" * 50]
ROLES: Sequence[str] = _ODD["roles"]
SETS: Sequence[Sequence[int]] = _ODD["sets"]  # places of roles that stand together in one layer
LAYERS: Sequence[str] = [*_ODD["layers"], "a" * 900]
FIELDS: Sequence[str] = _ODD["fields"]  # of sidecars
_FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn)
DTYPES = (*_FLOATS, torch.int64, torch.int8, torch.bool)


def odd(numbers: Random, depth: int = 3) -> Any:
    """A JSON value of any kind."""
    kind = numbers.randrange(8 if depth else 5)
    if kind == 0:
        return numbers.choice(ODD_NUMBERS)
    if kind == 1:
        return numbers.choice((True, False, None))
    if kind <= 4:
        return numbers.choice(ODD_TEXTS)
    if kind == 5:
        return [odd(numbers, depth - 1) for _ in range(numbers.randrange(4))]
    return {numbers.choice(FIELDS): odd(numbers, depth - 1) for _ in range(numbers.randrange(5))}


def odd_json(numbers: Random, value: Any) -> bytes:
    """A value as JSON, sometimes with what no JSON has."""
    text = json.dumps(value)
    match numbers.randrange(12):
        case 0:
            text = numbers.choice(("[", '{"a":')) * numbers.choice((5, 99, 101, 101, 5_000))
        case 1:
            text = text.replace("1", "9" * numbers.choice((20, 41, 5_000)), 1)
        case 2:
            text = text.replace("0", numbers.choice(("NaN", "-Infinity", "1e999")), 1)
        case 3:
            text = text.replace("{", '{"id": 1, "id": 2, ', 1)
        case 4:
            return flipped(numbers, text.encode("utf-8", "replace"))
        case 5:
            return text.encode(numbers.choice(("utf-16", "utf-8-sig", "latin-1")), "replace")
    return text.encode("utf-8", "replace")


def flipped(numbers: Random, data: bytes) -> bytes:
    """Some bytes changed, and sometimes the end cut off."""
    changed = bytearray(data)
    for _ in range(numbers.randint(1, 8) if changed else 0):
        changed[numbers.randrange(len(changed))] = numbers.randrange(256)
    return bytes(changed[: numbers.randrange(len(changed) + 1)] if numbers.random() < 0.25 else changed)


def swapped(numbers: Random, value: Any) -> Any:
    """A copy of a JSON value with one or a few places changed for odd values."""
    if numbers.random() < 0.08:
        return odd(numbers)
    if isinstance(value, dict):
        kept = {key: swapped(numbers, item) for key, item in value.items() if numbers.random() > 0.04}
        return kept | ({numbers.choice(FIELDS): odd(numbers)} if numbers.random() < 0.05 else {})
    if isinstance(value, list):
        return [swapped(numbers, item) for item in value if numbers.random() > 0.04]
    return value


def header_file(numbers: Random) -> bytes:
    """A safetensors file whose header says odd things."""
    entries: dict[str, Any] = {}
    start = 0
    for _ in range(numbers.randrange(5)):
        shape = [numbers.choice((0, 1, 2, 3, 4)) for _ in range(numbers.randrange(4))]
        size = 4
        for one in shape:
            size *= one
        entry: Any = {"dtype": "F32", "shape": shape, "data_offsets": [start, start + size]}
        start += size
        entries[f"{numbers.choice(LAYERS)}.{numbers.choice(ROLES)}"] = entry
    if numbers.random() < 0.3:
        name = numbers.choice(("ss_output_name", "ss_tag_frequency", "modelspec.title"))
        entries["__metadata__"] = {name: odd(numbers)}
    if numbers.random() < 0.1 and entries:
        shape = [2**62] * numbers.choice((2, 64, 300))
        entries[next(iter(entries))] = {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}
    raw = odd_json(numbers, swapped(numbers, entries) if numbers.random() < 0.7 else entries)
    length = len(raw) if numbers.random() < 0.9 else numbers.choice((0, 1, len(raw) + 1, 2**32, 2**63))
    return struct.pack("<Q", length) + raw + bytes(start if numbers.random() < 0.9 else max(start - 1, 0))


def lora_file(numbers: Random) -> bytes:
    """A sound safetensors file of tensors that may not belong together."""
    tensors: dict[str, torch.Tensor] = {}
    for layer in numbers.sample(LAYERS, numbers.randint(1, 2)):
        for place in numbers.choice(SETS):
            tensors[f"{layer}.{ROLES[place]}"] = _tensor(numbers, ROLES[place])
    metadata = {"lora_adapter_metadata": json.dumps(config(numbers))} if numbers.random() < 0.3 else None
    return save(tensors, metadata)


def _tensor(numbers: Random, role: str) -> torch.Tensor:
    axes = numbers.choices((0, 1, 2, 3, 4, 5, 6), (1, 1, 12, 2, 4, 1, 1))[0]
    if role in ("alpha", "on_input"):
        axes = numbers.choice((0, 0, 0, 1))
    shape = [numbers.choice((4, 4, 4, 4, 1, 2, 8, 0 if numbers.random() < 0.1 else 4)) for _ in range(axes)]
    dtype = DTYPES[0] if numbers.random() < 0.7 else numbers.choice(DTYPES)
    scale = numbers.choice((1.0, 1.0, 1.0, 1.0, 0.0, 1e30, 3e38, float("nan"), float("inf")))
    return (torch.ones(shape, dtype=torch.float64) * scale).to(dtype)


def config(numbers: Random) -> dict[str, Any]:
    """A PEFT config with patterns of every sort."""
    patterns = {
        pattern(numbers): numbers.choice((1, 2, 4, 0, "x", 1e308)) for _ in range(numbers.randrange(4))
    }
    found: dict[str, Any] = {"r": 4, "lora_alpha": 8, "rank_pattern": patterns}
    found["alpha_pattern"] = {pattern(numbers): 2}
    found["target_modules"] = numbers.choice((pattern(numbers), ["to_q"], None, "all-linear", odd(numbers)))
    return found if numbers.random() < 0.6 else swapped(numbers, found)


def pattern(numbers: Random) -> str:
    """What a person, or an enemy, writes where PEFT wants a pattern."""
    return "".join(numbers.choice(_ODD["pattern"]) for _ in range(numbers.randint(1, 8)))


def sidecar(numbers: Random) -> tuple[str, bytes]:
    """The ending of a sidecar's name, and what is in it."""
    fields = {numbers.choice(FIELDS): odd(numbers, 4) for _ in range(numbers.randint(1, 6))}
    return numbers.choice(_ODD["sidecars"]), odd_json(numbers, fields)


@lru_cache(maxsize=1)
def pictures() -> Sequence[bytes]:
    """Small sound pictures of the formats there are, with texts in them."""
    info = PngImagePlugin.PngInfo()
    info.add_text("prompt", json.dumps(_ODD["prompt"]), zip=True)
    info.add_itxt("parameters", "a <lora:ink:1>")
    exif = Image.Exif()
    exif[0x010F] = "workflow:{}"
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + "<lora:a:1>".encode("utf-16-be")
    found = []
    with_exif = {"exif": exif.tobytes()}
    hows = {"PNG": {"pnginfo": info, **with_exif}, "JPEG": with_exif, "WEBP": with_exif, "GIF": {}, "BMP": {}}
    for kind, how in hows.items():
        out = io.BytesIO()
        Image.new("RGB", (20, 12), "teal").save(out, kind, **how)
        found.append(out.getvalue())
    return found


def picture(numbers: Random) -> bytes:
    """A picture that is damaged, too large, or of another format than it should be."""
    if numbers.random() < 0.8:
        return flipped(numbers, numbers.choice(pictures()))
    size = [numbers.choice((0, 1, 20, 8_000, 40_000, 2**31 - 1)) for _ in range(2)]
    chunks = [(b"IHDR", struct.pack(">2I5B", *size, 8, numbers.choice((0, 2, 3, 4, 6)), 0, 0, 0))]
    names = (b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"IDAT")
    chunks += [(numbers.choice(names), zlib.compress(bytes(50))) for _ in range(3)]
    packed = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def workflow(numbers: Random) -> Any:
    """A workflow in one of the formats, with odd things in it."""
    return swapped(numbers, numbers.choice((_ODD["prompt"], _ODD["editor"])))


def stack_text(numbers: Random) -> str:
    """A text of tags, whole and broken."""
    pieces = (*_ODD["text"], *ODD_TEXTS[:30])
    text = "".join(numbers.choice(pieces) for _ in range(numbers.randrange(30)))
    return text * numbers.choice((1, 1, 1, 40))
