"""A workflow made on another machine: other separators, other folders, renamed files and their hashes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from graphs import FAMILIES, Graph, ours, pictures, texts

from tools.dev.host_client import ExecutionFailed, HostClient, PromptRejected

SD3 = next(family for family in FAMILIES if family.name == "sd3")


NAME = "found/by_content.safetensors"


def _tensors(data: bytes) -> bytes:
    return data[8 + int.from_bytes(data[:8], "little") :]


@pytest.fixture(scope="module", autouse=True)
def hashes(loras: Path) -> dict[str, str]:
    """AutoV2 and the hash A1111 writes into tags, of a LoRA of which there is no copy."""
    data = (loras / "sd3" / "style_0.safetensors").read_bytes()
    data = data[:-2] + bytes(2)  # one number of the last tensor is 0
    (loras / NAME).parent.mkdir()
    (loras / NAME).write_bytes(data)
    return {
        "autov2": hashlib.sha256(data).hexdigest()[:10],
        "a1111": hashlib.sha256(_tensors(data)).hexdigest()[:12],
    }


def _picture(graph: Graph, text: str) -> None:
    model, _ = SD3.load(graph)
    SD3.picture(graph, ours(graph, model, None, text)[0], None)


@pytest.mark.parametrize("kind", ["autov2", "a1111"])
def test_a_renamed_file_makes_the_same_picture(client: HostClient, hashes: dict[str, str], kind: str) -> None:
    graph = Graph()
    _picture(graph, f"<lora:{NAME}:0.8>")
    _picture(graph, f"<lora:Styles\\of last year\\ink:0.8:hash={hashes[kind].upper()}>")
    by_name, by_hash = pictures(client, graph)
    assert np.array_equal(by_name, by_hash)


def test_the_hash_decides_over_the_name(client: HostClient, hashes: dict[str, str]) -> None:
    graph = Graph()
    rack = graph.add("LoraRackStack", text=f"<lora:sd3/style_1:1:hash={hashes['autov2']}>")
    report = graph.add("LoraRackApply", model=SD3.load(graph)[0], stack=[rack, 0], mismatch="error")
    graph.show([report, 2])
    (text,) = texts(client, graph)
    assert text.startswith(f"{NAME} at 1: ")


def test_a_tag_in_a_prompt_is_found_by_its_hash(client: HostClient, hashes: dict[str, str]) -> None:
    graph = Graph()
    prompt = graph.add("LoraRackPrompt", text=f"a cat <lora:gone:1:hash={hashes['a1111']}>")
    report = graph.add("LoraRackApply", model=SD3.load(graph)[0], stack=[prompt, 1], mismatch="error")
    graph.show([report, 2])
    (text,) = texts(client, graph)
    assert text.startswith(f"{NAME} at 1: ")


def _refusal(client: HostClient, text: str) -> str:
    """Why a rack is refused: when it is queued, or before anything is sampled where much had to be read."""
    graph = Graph()
    _picture(graph, text)
    with pytest.raises((PromptRejected, ExecutionFailed)) as caught:
        client.run(graph.nodes)
    if isinstance(caught.value, ExecutionFailed):
        assert caught.value.node_type == "LoraRackStack"
        return caught.value.message
    (details,) = [error["details"] for node in caught.value.node_errors.values() for error in node["errors"]]
    return str(details).removeprefix("text - ")


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "<lora:sd3/style_0:1>\n<lora:sd3/style_1:1:hash=abababababab>",
            ["abababababab", "sd3/style_1.safetensors", "other content", "remove the hash"],
        ),
        (
            "<lora:sd3/style_0:1>\n<lora:stile_1:1:hash=abababababab>",
            ["'stile_1'", "abababababab", "sd3/style_1.safetensors", "https://civitai.com/"],
        ),
        ("<lora:sd3/style_0:1>\n<lora:sd3/style_0:1:hash=e3b0c44298fc>", ["hash of nothing"]),
    ],
)
def test_a_hash_that_is_not_here_is_refused_with_a_way_out(
    client: HostClient, text: str, parts: list[str], times: int
) -> None:
    said = [_refusal(client, text) for _ in range(times)][-1]
    assert said.startswith(("row 2: ", "line 2, column 1: "))
    assert (
        said.startswith("line 2, column 1: ") or times == 1
    )  # what was read is known when it is queued again
    for part in parts:
        assert part in said


def test_an_alias_from_the_header_finds_the_file(client: HostClient, loras: Path) -> None:
    data = (loras / NAME).read_bytes()
    header = json.loads(data[8 : len(data) - len(_tensors(data))])
    header["__metadata__"] = {"ss_output_name": "the trainer's name"}
    raw = json.dumps(header).encode()
    (loras / "aliased.safetensors").write_bytes(len(raw).to_bytes(8, "little") + raw + _tensors(data))
    graph = Graph()
    _picture(graph, f"<lora:{NAME}:0.8>")
    _picture(graph, "<lora:the trainer's name:0.8>")
    by_name, by_alias = pictures(client, graph)
    assert np.array_equal(by_name, by_alias)


def test_the_index_is_written_to_the_user_folder(client: HostClient, base: Path) -> None:
    _refusal(client, "<lora:sd3/style_0:0.8:hash=abababab>")
    assert (base / "user" / "lora_rack" / "index.sqlite3").is_file()
