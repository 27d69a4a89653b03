"""Workflows converted over HTTP: the same picture before and after, there and back, and what is refused."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError

import numpy as np
import pytest
from graphs import Graph, demo_picture, host_chain, load_demo, ours, pictures

from tools.dev.host_client import HostClient

Json = dict[str, Any]
LORAS = [("add_detail.safetensors", 1.5, 1.0), ("add_saturation.safetensors", -1.0, 0.5)]
TEXT = "<lora:add_detail:unet=1.5:te=1>\n# <lora:night_words:1>\n<lora:add_saturation:unet=-1:te=0.5>"


def convert(client: HostClient, to: str, workflow: Any, **more: Any) -> Json:
    return dict(client.post("/lora_rack/convert", {"to": to, "workflow": workflow, **more}))


def kinds(prompt: Json) -> list[str]:
    return sorted(node["class_type"] for node in prompt.values())


def editor_of(client: HostClient, prompt: Json) -> Json:
    """A prompt as the editor stores it: sockets for every input, widget values in their order, wires."""
    nodes: dict[str, Json] = {}
    links: list[list[Any]] = []
    for number, node in prompt.items():
        info = client.object_info(node["class_type"])
        specs = info["input"].get("required", {}) | info["input"].get("optional", {})
        sockets, values = [], []
        for name, spec in specs.items():
            socket: Json = {
                "name": name,
                "type": spec[0] if isinstance(spec[0], str) else "COMBO",
                "link": None,
            }
            value = node["inputs"].get(name)
            if value is not None and not isinstance(value, list):
                socket["widget"] = {"name": name}
                values.append(value)
            sockets.append(socket)
        outputs = [{"name": name, "type": "?", "links": []} for name in info["output_name"]]
        nodes[number] = {
            "id": int(number),
            "type": node["class_type"],
            "pos": [0, 0],
            "mode": 0,
            "inputs": sockets,
            "outputs": outputs,
            "widgets_values": values,
        }
    for number, node in prompt.items():
        for slot, socket in enumerate(nodes[number]["inputs"]):
            wire = node["inputs"].get(socket["name"])
            if isinstance(wire, list):
                links.append([len(links) + 1, int(wire[0]), wire[1], int(number), slot, socket["type"]])
                socket["link"] = len(links)
                nodes[wire[0]]["outputs"][wire[1]]["links"].append(len(links))
    return {"nodes": list(nodes.values()), "links": links, "last_node_id": len(nodes), "version": 0.4}


def prompt_of(workflow: Json) -> Json:
    """The editor's format as a prompt; a bypassed loader lets its model and clip through."""
    nodes = {node["id"]: node for node in workflow["nodes"]}
    links = {link[0]: link for link in workflow["links"]}

    def source(link: int) -> list[Any]:
        _, origin, slot, *_ = links[link]
        if nodes[origin]["mode"] != 4:
            return [str(origin), slot]
        return source(nodes[origin]["inputs"][slot]["link"])

    prompt: Json = {}
    for node in (node for node in workflow["nodes"] if node["mode"] != 4):
        names = [socket["name"] for socket in node["inputs"] if "widget" in socket]
        inputs = dict(zip(names, node["widgets_values"], strict=True))
        inputs |= {socket["name"]: source(socket["link"]) for socket in node["inputs"] if socket.get("link")}
        prompt[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return prompt


def _painted(client: HostClient, prompt: Json) -> np.ndarray:
    (picture,) = pictures(client, Graph(prompt))
    return picture


def _host_graph(with_loras: bool = True) -> Graph:
    graph = Graph()
    model, clip, vae = load_demo(graph)
    if with_loras:
        model, clip = host_chain(graph, model, clip, LORAS)
    demo_picture(graph, model, clip, vae)
    return graph


def test_the_hosts_loaders_turned_into_a_rack_paint_the_same(client: HostClient) -> None:
    before = _host_graph().nodes
    answer = convert(client, "rack", before)
    assert answer["left"] == []
    assert {"LoraRackStack", "LoraRackApply"} <= set(kinds(answer["workflow"]))
    assert "LoraLoader" not in kinds(answer["workflow"])
    plain, host, rack = (
        _painted(client, prompt) for prompt in (_host_graph(False).nodes, before, answer["workflow"])
    )
    assert np.abs(rack - host).max() <= 1
    assert np.abs(host - plain).max() > 1


def test_a_rack_turned_into_the_hosts_loaders_paints_the_same(client: HostClient) -> None:
    graph = Graph()
    model, clip, vae = load_demo(graph)
    our_model, our_clip, _ = ours(graph, model, clip, TEXT)
    demo_picture(graph, our_model, our_clip, vae)
    answer = convert(client, "loaders", editor_of(client, graph.nodes))
    assert answer["left"] == []
    after = prompt_of(answer["workflow"])
    loaders = [node["inputs"] for node in after.values() if node["class_type"] == "LoraLoader"]
    names = ("lora_name", "strength_model", "strength_clip")
    assert sorted(tuple(inputs[name] for name in names) for inputs in loaders) == sorted(LORAS)
    assert np.abs(_painted(client, after) - _painted(client, graph.nodes)).max() <= 1


def test_only_the_nodes_named_are_turned(client: HostClient) -> None:
    workflow = _host_graph().nodes
    first = next(number for number, node in workflow.items() if node["class_type"] == "LoraLoader")
    answer = convert(client, "rack", workflow, nodes=[int(first)])
    assert [done["nodes"] for done in answer["done"]] == [[first]]
    assert kinds(answer["workflow"]).count("LoraLoader") == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"to": "rack", "workflow": {}}, "this is not a workflow"),
        ({"to": "rack"}, "this is not a workflow"),
        ({"to": "elsewhere", "workflow": {"nodes": []}}, '"to" must be'),
        (
            {"to": "loaders", "workflow": {"1": {"class_type": "X", "inputs": {}}}},
            "not a workflow of the editor",
        ),
        ({"to": "rack", "workflow": {"nodes": []}, "nodes": "all"}, '"nodes" must be'),
        ({"to": "rack", "workflow": {"nodes": []}, "subgraph": 3}, '"subgraph" must be'),
    ],
)
def test_a_bad_request_is_answered_with_its_reason(client: HostClient, body: Json, said: str) -> None:
    with pytest.raises(HTTPError) as refused:
        client.post("/lora_rack/convert", body)
    assert refused.value.code == 400
    assert said in json.load(refused.value)["error"]["message"]
