"""Workflows in both of ComfyUI's formats, from one short description, and converted in both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lora_core.convert import Conversion, convert

Json = dict[str, Any]
Wire = tuple[str, int]  # node and output

# The sockets of the nodes used here, in the order of their pack: inputs with their type, outputs.
SOCKETS: Mapping[str, tuple[Mapping[str, str], Sequence[str]]] = {
    "CheckpointLoaderSimple": ({}, ("MODEL", "CLIP", "VAE")),
    "LoraLoader": ({"model": "MODEL", "clip": "CLIP"}, ("MODEL", "CLIP")),
    "LoraLoaderModelOnly": ({"model": "MODEL"}, ("MODEL",)),
    "CLIPTextEncode": ({"clip": "CLIP"}, ("CONDITIONING",)),
    "ConditioningCombine": (
        {"conditioning_1": "CONDITIONING", "conditioning_2": "CONDITIONING"},
        ("CONDITIONING",),
    ),
    "KSampler": ({"model": "MODEL", "positive": "CONDITIONING", "negative": "CONDITIONING"}, ("LATENT",)),
    "Power Lora Loader (rgthree)": ({"model": "MODEL", "clip": "CLIP"}, ("MODEL", "CLIP")),
    "Lora Loader Stack (rgthree)": ({"model": "MODEL", "clip": "CLIP"}, ("MODEL", "CLIP")),
    "LoraLoaderBlockWeight //Inspire": ({"model": "MODEL", "clip": "CLIP"}, ("MODEL", "CLIP", "STRING")),
    "CR Load LoRA": ({"model": "MODEL", "clip": "CLIP"}, ("MODEL", "CLIP", "STRING")),
    "CR LoRA Stack": ({"lora_stack": "LORA_STACK"}, ("LORA_STACK", "STRING")),
    "CR Apply LoRA Stack": (
        {"model": "MODEL", "clip": "CLIP", "lora_stack": "LORA_STACK"},
        ("MODEL", "CLIP", "STRING"),
    ),
    "LoRA Stacker": ({"lora_stack": "LORA_STACK"}, ("LORA_STACK",)),
    "Lora Loader (LoraManager)": (
        {"model": "MODEL", "clip": "CLIP", "lora_stack": "LORA_STACK"},
        ("MODEL", "CLIP", "STRING", "STRING"),
    ),
    "Lora Stacker (LoraManager)": ({"lora_stack": "LORA_STACK"}, ("LORA_STACK", "STRING", "STRING")),
    "LoraLoaderBypass": ({"model": "MODEL", "clip": "CLIP"}, ("MODEL", "CLIP")),
    "PCLazyLoraLoader": ({"model": "MODEL", "clip": "CLIP"}, ("MODEL", "CLIP")),
    "easy loraStack": ({"optional_lora_stack": "LORA_STACK"}, ("LORA_STACK",)),
    "easy loraStackApply": (
        {"lora_stack": "LORA_STACK", "model": "MODEL", "optional_clip": "CLIP"},
        ("MODEL", "CLIP"),
    ),
    "WanVideoLoraSelect": ({"prev_lora": "WANVIDLORA"}, ("WANVIDLORA",)),
    "NunchakuFluxLoraLoader": ({"model": "MODEL"}, ("MODEL",)),
    "CreateHookLora": ({"prev_hooks": "HOOKS"}, ("HOOKS",)),
    "Efficient Loader": ({"lora_stack": "LORA_STACK"}, ("MODEL",)),
    "PreviewAny": ({"source": "*"}, ("STRING",)),
    "LoraRackStack": ({"stack": "LORA_STACK"}, ("LORA_STACK", "STRING")),
    "LoraRackAdd": ({"stack": "LORA_STACK"}, ("LORA_STACK", "STRING")),
    "LoraRackApply": (
        {"model": "MODEL", "stack": "LORA_STACK", "clip": "CLIP"},
        ("MODEL", "CLIP", "STRING", "STRING", "STRING"),
    ),
    "LoraRackLoad": ({"model": "MODEL", "clip": "CLIP"}, ("MODEL", "CLIP", "STRING")),
    "SomeLoraThing": ({"model": "MODEL"}, ("MODEL",)),
}  # fmt: skip


@dataclass
class Workflow:
    """Nodes under construction. `values` are the editor's widget values, `named` the API's inputs."""

    nodes: dict[str, tuple[str, Mapping[str, Wire], Any, Json]] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)

    def add(
        self, type: str, wires: Mapping[str, Wire], named: Json, values: Any = None, mode: int = 0
    ) -> str:
        node = str(len(self.nodes) + 1)
        self.nodes[node] = (type, wires, list(named.values()) if values is None else values, named)
        self.modes[node] = mode
        return node

    def prompt(self) -> Json:
        """The API format."""
        return {
            node: {
                "class_type": type,
                "inputs": {**named, **{name: list(wire) for name, wire in wires.items()}},
            }
            for node, (type, wires, _, named) in self.nodes.items()
        }

    def editor(self) -> Json:
        """The editor's format."""
        links: list[list[Any]] = []
        nodes: dict[str, Json] = {}
        for node, (type, _, values, _) in self.nodes.items():
            inputs, outputs = SOCKETS[type]
            nodes[node] = {
                "id": int(node),
                "type": type,
                "pos": [int(node) * 300, 100],
                "mode": self.modes[node],
                "inputs": [{"name": name, "type": kind, "link": None} for name, kind in inputs.items()],
                "outputs": [{"name": kind, "type": kind, "links": []} for kind in outputs],
                "widgets_values": values,
            }
        for node, (_, wires, _, _) in self.nodes.items():
            for name, (origin, slot) in wires.items():
                inputs = nodes[node]["inputs"]
                place = next((i for i, socket in enumerate(inputs) if socket["name"] == name), len(inputs))
                if place == len(inputs):  # a widget
                    inputs.append({"name": name, "type": "STRING", "widget": {"name": name}})
                links.append([len(links) + 1, int(origin), slot, int(node), place, "?"])
                inputs[place]["link"] = len(links)
                nodes[origin]["outputs"][slot]["links"].append(len(links))
        return {
            "nodes": list(nodes.values()),
            "links": links,
            "last_node_id": len(nodes),
            "last_link_id": len(links),
            "version": 0.4,
        }


def as_prompt(workflow: Json) -> Json:
    """The editor's format read back: what each node takes, by name, checked both ways on the way.

    Widgets of our own nodes are read, in the order of their inputs; those of others are left out.
    """
    nodes = {str(node["id"]): node for node in workflow["nodes"]}
    links = {link["id"] if isinstance(link, dict) else link[0]: link for link in workflow["links"]}
    prompt: Json = {}
    for number, node in nodes.items():
        inputs: Json = {}
        if node["type"].startswith("LoraRack"):
            names = [socket["name"] for socket in node["inputs"] if "widget" in socket]
            inputs.update(zip(names, node["widgets_values"], strict=True))
        for place, socket in enumerate(node["inputs"]):
            if socket.get("link") is not None:
                link = links.pop(socket["link"])
                origin, slot, target, target_slot = _ends(link)
                assert (target, target_slot) == (number, place)
                if origin != "-10":
                    assert socket["link"] in nodes[origin]["outputs"][slot]["links"]
                inputs[socket["name"]] = [origin, slot]
        prompt[number] = {"class_type": node["type"], "inputs": inputs}
    assert all(str(_ends(link)[2]) == "-20" for link in links.values()), "every wire ends in an input"
    read = [wire for node in nodes.values() for output in node["outputs"] for wire in output["links"] or ()]
    assert len(read) == len(set(read))
    return prompt


def _ends(link: Any) -> tuple[str, int, str, int]:
    if isinstance(link, dict):
        link = [link[k] for k in ("id", "origin_id", "origin_slot", "target_id", "target_slot")]
    return str(link[1]), link[2], str(link[3]), link[4]


def trace(prompt: Json, wire: Sequence[Any]) -> str:
    """Where an output comes from, as one expression: two graphs that mean the same give the same."""
    node = prompt[str(wire[0])]
    inputs = node["inputs"]
    values = ", ".join(
        f"{name}={trace(prompt, value) if isinstance(value, list) else value}"
        for name, value in sorted(inputs.items())
    )
    return f"{node['class_type']}.{wire[1]}({values})"


def loaders_in_a_row(*steps: tuple[str, Json, Any], clip: bool = True) -> Workflow:
    """A checkpoint, the given loaders in a row, a prompt and a sampler."""
    graph = Workflow()
    checkpoint = graph.add("CheckpointLoaderSimple", {}, {"ckpt_name": "model.safetensors"})
    model, text = (checkpoint, 0), (checkpoint, 1)
    for type, named, values in steps:
        wires = {"model": model, "clip": text} if clip and "ModelOnly" not in type else {"model": model}
        node = graph.add(type, wires, named, values)
        model = (node, 0)
        text = (node, 1) if "clip" in wires else text
    prompt = graph.add("CLIPTextEncode", {"clip": text}, {"text": "a lake"})
    graph.add("KSampler", {"model": model, "positive": (prompt, 0), "negative": (prompt, 0)}, {"seed": 1})
    return graph


def text_of(conversion: Conversion) -> list[str]:
    (done,) = conversion.done
    assert conversion.left == ()
    return done.text.splitlines()


def both(graph: Workflow) -> tuple[Json, Conversion]:
    """The converted API graph; the editor's must come to the same."""
    api, editor = convert(graph.prompt()), convert(graph.editor())
    read = as_prompt(editor.workflow)
    assert [item.text for item in editor.done] == [item.text for item in api.done]
    assert [(item.node, item.reason) for item in editor.left] == [(i.node, i.reason) for i in api.left]
    assert sorted(n["class_type"] for n in read.values()) == sorted(
        n["class_type"] for n in api.workflow.values()
    )
    return api.workflow, api


def loader(name: str, model: float, clip: float) -> tuple[str, Json, None]:
    return "LoraLoader", {"lora_name": name, "strength_model": model, "strength_clip": clip}, None


def model_only(name: str, model: float) -> tuple[str, Json, None]:
    return "LoraLoaderModelOnly", {"lora_name": name, "strength_model": model}, None


def inspire(vector: str, **more: Any) -> tuple[str, Json, Any]:
    named = {
        "category_filter": "All",
        "lora_name": "a.pt",
        "strength_model": 1.0,
        "strength_clip": 0.5,
        "inverse": False,
        "seed": 0,
        "A": 4.0,
        "B": 2.0,
        "preset": "Preset",
        "block_vector": vector,
        "bypass": False,
        **more,
    }
    values = list(named.values())
    return "LoraLoaderBlockWeight //Inspire", named, [*values[:6], "randomize", *values[6:]]
