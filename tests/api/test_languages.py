"""What the host hands out in each language: as the nodes declare it in English, complete in the others."""

from __future__ import annotations

from typing import Any

from tools.dev.host_client import HostClient

Json = dict[str, Any]


def _declared(client: HostClient) -> Json:
    """The texts of our nodes as the host read them from their classes, in the form of nodeDefs.json."""
    found: Json = {}
    for node, info in client.get("/object_info").items():
        if not node.startswith("LoraRack"):
            continue
        inputs = info["input"].get("required", {}) | info["input"].get("optional", {})
        tooltips = info["output_tooltips"]
        found[node] = {
            "display_name": info["display_name"],
            "description": info["description"],
            "inputs": {
                name: {"name": name, "tooltip": (spec[1] if len(spec) > 1 else {}).get("tooltip")}
                for name, spec in inputs.items()
            },
            "outputs": {
                str(place): {"name": name, "tooltip": tooltips[place] if place < len(tooltips) else None}
                for place, name in enumerate(info["output_name"])
            },
        }
    return found


def test_english_is_what_the_nodes_declare(client: HostClient) -> None:
    declared, english = _declared(client), client.get("/i18n")["en"]["nodeDefs"]
    ours = {node: texts for node, texts in english.items() if node.startswith("LoraRack")}
    assert sorted(declared) == sorted(ours)
    for node, texts in declared.items():
        assert texts == ours[node], node


def test_every_node_has_its_texts_in_chinese(client: HostClient) -> None:
    declared, chinese = _declared(client), client.get("/i18n")["zh"]
    for node, texts in declared.items():
        said = chinese["nodeDefs"][node]
        assert said["display_name"] != texts["display_name"]
        for group in ("inputs", "outputs"):
            assert said[group].keys() == texts[group].keys(), node
    assert set(chinese["commands"]) >= {"LoraRack_TurnIntoRack", "LoraRack_TurnIntoLoaders"}
    assert "LoRA Rack" in chinese["nodeCategories"]
