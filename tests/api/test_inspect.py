"""Reports and charts, as a client of the host sees them."""

from __future__ import annotations

from graphs import FAMILIES, Graph, ours

from tools.dev.host_client import HostClient

SD15 = FAMILIES[0]


def test_apply_shows_its_report_without_a_node_that_reads_it(client: HostClient) -> None:
    graph = Graph()
    model, clip = SD15.load(graph)
    our_model, our_clip, _ = ours(graph, model, clip, "<lora:sd15/style_0:1:lbw=IN04=0.5>")
    SD15.picture(graph, our_model, our_clip)
    outputs = client.run(graph.nodes)["outputs"]
    (apply,) = [node for node, stored in graph.nodes.items() if stored["class_type"] == "LoraRackApply"]
    (report,) = outputs[apply]["text"]
    assert "sd15/style_0.safetensors at 1: " in report
    assert "blocks: IN01-02, IN04-05, IN07-08, M00, OUT03-11; TE00-11" in report


def test_inspect_runs_alone_and_gives_its_report_and_its_chart(client: HostClient) -> None:
    graph = Graph()
    model, clip = SD15.load(graph)
    node = graph.add("LoraRackInspect", lora_name="sd15/style_0.safetensors", model=model, clip=clip)
    alone = graph.add("LoraRackInspect", lora_name="sd15/style_0")
    graph.add("SaveImage", images=[node, 1], filename_prefix="chart")
    outputs = client.run(graph.nodes)["outputs"]
    (report,), (by_names,) = outputs[node]["text"], outputs[alone]["text"]
    assert "‖ΔW‖/‖W‖" in report
    assert "connect a model" in by_names
    assert len([image for found in outputs.values() for image in found.get("images", [])]) == 1
