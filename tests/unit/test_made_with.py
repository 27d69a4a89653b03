"""What a picture says it was made with: written, kept by four containers, read back, and damaged."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin, features

from lora_core.axes import read_axes
from lora_core.blocks import read_block_weights
from lora_core.cli import main
from lora_core.errors import BadJson
from lora_core.grammar import parse
from lora_core.made_with import (
    Applied,
    Used,
    applied_to_json,
    axes_text,
    civitai_resources,
    infotext,
    read_applied,
    rows_in_file,
    stack_text,
)
from lora_core.pictures import fields_in
from lora_core.stack import Entry

TEXT = (
    "<lora:ink:unet=0.8:te=0.3:lbw=OUTALL:lbwe=IN05/attn2=0.3:start=0.2:stop=0.7:hash=3f2a91c0de>\n"
    "# <lora:off:1>"
)
HOSTS = "<lora:host:unet=1:te=0>"
RACK: dict[str, Any] = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a"}},
    "2": {
        "class_type": "LoraLoaderModelOnly",
        "inputs": {"model": ["1", 0], "lora_name": "host", "strength_model": 1},
    },
    "3": {"class_type": "LoraRackStack", "inputs": {"text": "<lora:ink:0.1>\n<lora:other:1>"}},
    "4": {"class_type": "LoraRackApply", "inputs": {"model": ["2", 0], "stack": ["3", 0]}},
    "5": {"class_type": "LoraRackApply", "inputs": {"model": ["2", 0], "stack": ["3", 0]}},
}
SAID = {"lora_rack": applied_to_json([Applied("4", "LoraRackApply", TEXT)]), "prompt": RACK}


def _as_exif(said: dict[str, Any]) -> bytes:
    """As ComfyUI's saver of WebP writes it: the prompt in 0x0110, the rest below, JSON behind a name."""
    exif = Image.Exif()
    for tag, (name, value) in zip(range(0x0110, 0, -1), reversed(said.items()), strict=False):
        exif[tag] = f"{name}:{json.dumps(value)}"
    return exif.tobytes()


def picture(kind: str, said: dict[str, Any]) -> bytes:
    """A small picture of Pillow's with these texts."""
    out, small = io.BytesIO(), Image.new("RGB", (32, 24), "teal")
    if kind == "PNG":
        info = PngImagePlugin.PngInfo()
        for name, value in said.items():
            info.add_text(name, json.dumps(value))
        small.save(out, kind, pnginfo=info)
    else:
        small.save(out, kind, exif=_as_exif(said))
    return out.getvalue()


def lines(data: bytes) -> list[str]:
    return stack_text(rows_in_file(data).stack.entries).splitlines()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF"])
def test_a_record_comes_back_from_every_format(kind: str) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow cannot write AVIF")
    data = picture(kind, SAID)
    assert [name for name, _ in fields_in(data) or []] == ["lora_rack", "prompt"]
    # The host's loader by the workflow, ours by the record alone, at the place of the node that acted.
    assert lines(data) == [HOSTS, *TEXT.splitlines()]
    assert lines(picture(kind, {"lora_rack": SAID["lora_rack"]})) == TEXT.splitlines()


def test_a_record_stands_for_all_our_nodes_name_but_not_for_what_others_apply() -> None:
    foreign = {"class_type": "CR Apply LoRA Stack", "inputs": {"model": ["1", 0], "lora_stack": ["3", 0]}}
    said = {**SAID, "prompt": {**RACK, "6": foreign}}
    assert lines(picture("PNG", said)) == [
        HOSTS,
        "<lora:ink:0.1>",
        "<lora:other:1>",
        *TEXT.splitlines(),
    ]
    gone = {**SAID, "lora_rack": applied_to_json([Applied("4:9", "LoraRackApply", "<lora:a:1>")])}
    assert lines(picture("PNG", gone)) == [HOSTS, "<lora:a:1>"]


def test_an_infotext_beside_a_record_names_nothing_twice() -> None:
    said = {"lora_rack": SAID["lora_rack"], "parameters": "a lake <lora:ink:0.8>\nSteps: 20"}
    assert lines(picture("PNG", said)) == TEXT.splitlines()


@pytest.mark.parametrize(
    "record",
    [
        "",
        "{",
        "[]",
        {"applied": 3},
        {"applied": [{"node": 3}]},
        {"applied": [3]},
        {"version": 1, "applied": []},
    ],
)
def test_a_record_that_says_nothing_leaves_the_word_to_the_workflow(record: Any) -> None:
    named = rows_in_file(picture("PNG", {"lora_rack": record, "prompt": RACK}))
    assert [row.name for row in named.stack.entries] == ["host", "ink", "other"]


def test_a_row_that_cannot_be_read_is_a_remark() -> None:
    broken = applied_to_json([Applied("4", "LoraRackApply", "<lora:ink:0.8\n<lora:b:1>")])
    named = rows_in_file(picture("PNG", {"lora_rack": broken}))
    assert [row.name for row in named.stack.entries] == ["b"]
    assert "node 4 (LoraRackApply): line 1" in named.remarks[0]


def test_damaged_containers_give_no_other_error() -> None:
    numbers = random.Random(7)
    kinds = [kind for kind in ("PNG", "JPEG", "WEBP", "AVIF") if kind != "AVIF" or features.check("avif")]
    sound = [picture(kind, SAID) for kind in kinds]
    for _ in range(1500):
        data = bytearray(numbers.choice(sound))
        for _ in range(numbers.randint(1, 8)):
            data[numbers.randrange(min(len(data), 900))] = numbers.randrange(256)
        fields_in(bytes(data[: numbers.randint(0, len(data))] if numbers.random() < 0.3 else data))


def test_the_record_is_what_was_written() -> None:
    nodes = (Applied("4", "LoraRackApply", TEXT), Applied("9", "LoraRackSweep", "", "<lora:a:1> -1, 0.5"))
    assert read_applied(json.dumps(applied_to_json(nodes))) == nodes
    assert stack_text(parse(TEXT).entries) == TEXT
    assert axes_text(read_axes("<lora:a:0.5> -2:2:3")) == "<lora:a:0.5> -2, 0, 2"
    with pytest.raises(BadJson, match="record of this pack"):
        read_applied('{"applied": [{"stack": 3}]}')


def test_a_name_that_no_tag_can_hold_is_found_by_its_hash() -> None:
    assert (
        stack_text([Entry("a<b>:c.safetensors", hash="3f2a91c0de")])
        == "<lora:a_b_c.safetensors:1:hash=3f2a91c0de>"
    )


def test_twenty_loras_take_less_than_a_kilobyte_each() -> None:
    blocks = read_block_weights("BASE=1 IN04-08=0.5 OUT*=0.25")
    rows = [
        Entry(f"styles/a rather long name of a file {n:02}", 0.85, 0.4, True, blocks, 0.1, 0.9, f"{n:064x}")
        for n in range(20)
    ]
    assert len(json.dumps(applied_to_json([Applied("4", "LoraRackApply", stack_text(rows))]))) < 20 * 1024


def test_the_words_of_other_programs() -> None:
    page = "https://civitai.com/models/5?modelVersionId=44"
    used = [
        Used(Entry('s/i"n,k.safetensors', 0.8, 0.3), "a" * 64, "b" * 64, page),
        Used(Entry("pickle.pt", 0.0, 0.5), "c" * 64),
        Used(Entry("gone", 1.0)),
    ]
    tags, hashes = infotext(used).splitlines()
    assert tags == "<lora:i_n_k:0.3:0.8> <lora:pickle:0.5:0> <lora:gone:1>"
    assert hashes == f'Lora hashes: "i_n_k: {"b" * 12}, pickle: {"c" * 12}"'
    assert json.loads(civitai_resources(used)) == [
        {"type": "lora", "weight": 0.8, "modelVersionId": 44, "modelName": 'i"n,k', "hash": "a" * 10},
        {"type": "lora", "weight": 0.5, "modelName": "pickle", "hash": "c" * 10},
        {"type": "lora", "weight": 1, "modelName": "gone"},
    ]
    assert (infotext([]), civitai_resources([])) == ("", "[]")


def test_read_prints_rows_and_what_it_could_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(picture("PNG", SAID))
    bad.write_bytes(b"\xff\xfe\x00no picture")
    assert main(["read", str(good)]) == 0
    assert capsys.readouterr().out.splitlines() == [HOSTS, *TEXT.splitlines()]
    assert main(["read", str(good), str(bad), "--json"]) == 1
    shown = capsys.readouterr()
    first, second = json.loads(shown.out)
    assert [row["text"] for row in first["rows"]][1:] == TEXT.splitlines()
    assert (first["remarks"], first["error"]) == ([], None)
    assert "neither a picture nor a text" in second["error"]
    assert str(bad) in shown.err
    assert main(["read", str(tmp_path / "not there")]) == 2
