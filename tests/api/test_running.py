"""What a user of the API sees while and after a stack runs: nodes, progress, history, changed files."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
from graphs import FAMILIES, Graph, ours, pictures, texts

from tools.dev.host_client import HostClient, Progress, saved_files
from tools.dev.host_server import HostServer

SD3 = next(family for family in FAMILIES if family.name == "sd3")


# What users' workflows rely on: inputs by name and type, outputs by type and name.
def _picture(text: str) -> Graph:
    graph = Graph()
    model, _ = SD3.load(graph)
    our_model, _, _ = ours(graph, model, None, text)
    SD3.picture(graph, our_model, None)
    return graph


def test_progress_history_and_outputs(client: HostClient) -> None:
    graph = _picture("<lora:sd3/style_2:1>\n<lora:sd3/style_3:1>\n<lora:sd3/style_4:1>")
    (apply,) = [node for node, content in graph.nodes.items() if content["class_type"] == "LoraRackApply"]
    seen: list[Progress] = []
    entry = client.run(graph.nodes, seen.append)
    # Newer hosts pass on one step in 100 ms at most, and always the first and the last.
    told = [(step.value, step.maximum) for step in seen if step.node == apply]
    assert told in ([(1, 3), (2, 3), (3, 3)], [(1, 3), (3, 3)])
    assert entry["status"]["status_str"] == "success"
    (file,) = saved_files(entry)
    assert client.view(file.filename, file.subfolder, file.type).startswith(b"\x89PNG")


def test_a_file_replaced_on_disk_is_noticed(client: HostClient, loras: Path) -> None:
    replaced = loras / "replaced.safetensors"
    shutil.copy(loras / "sd3" / "style_0.safetensors", replaced)
    before = pictures(client, _picture("<lora:replaced:1>"))[0]
    shutil.copy(loras / "sd3" / "style_1.safetensors", replaced)  # the same size: the time alone tells
    os.utime(replaced, ns=(1, replaced.stat().st_mtime_ns + 1))
    after = pictures(client, _picture("<lora:replaced:1>"))[0]
    expected = pictures(client, _picture("<lora:sd3/style_1:1>"))[0]
    assert np.array_equal(after, expected)
    assert not np.array_equal(after, before)


def test_a_changed_strength_runs_again_and_an_unchanged_stack_does_not(client: HostClient) -> None:
    first = client.run(_picture("<lora:sd3/style_0:1>").nodes)
    same = client.run(_picture("<lora:sd3/style_0:1>").nodes)
    other = client.run(_picture("<lora:sd3/style_0:0.5>").nodes)

    def executed(entry: dict[str, object]) -> set[str]:
        messages = dict(entry["status"]["messages"])  # type: ignore[index]
        return set(_picture("").nodes) - set(messages["execution_cached"]["nodes"])

    assert executed(same) == set()
    assert executed(other) >= {"2", "3"}  # rack and apply
    assert saved_files(first) != saved_files(other)


def test_trigger_words_come_from_sidecar_and_header(client: HostClient, loras: Path) -> None:
    for name in ("worded", "plain"):
        shutil.copy(loras / "sd3" / "style_0.safetensors", loras / f"{name}.safetensors")
    (loras / "worded.json").write_text(json.dumps({"activation text": "ink wash, brush"}), encoding="utf-8")
    graph = Graph()
    rack = graph.add(
        "LoraRackStack", text="<lora:worded:1>\n<lora:plain:1>\n<lora:worded:0.5>\n# <lora:worded:1>"
    )
    graph.show([rack, 1])
    assert texts(client, graph) == ["ink wash, brush"]


def test_the_log_holds_no_flood(client: HostClient, server: HostServer) -> None:
    graph = Graph()
    model, _ = SD3.load(graph)
    ours(graph, model, None, "<lora:sd3/style_0:1>\n<lora:sd15/style_0:1>", mismatch="warn")
    graph.show([str(len(graph.nodes)), 2])
    before = len(server.log_text())
    client.run(graph.nodes)
    assert "lora key not loaded" not in server.log_text()[before:]
    assert "NOT LOADED" not in server.log_text()[before:]
