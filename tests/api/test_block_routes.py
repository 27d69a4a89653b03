"""What the equaliser asks the server: a LoRA's energy per block, and block weights read and drawn."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.parse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from tools.dev.host_client import HostClient

DEMO = "add_detail.safetensors"


def _energy(client: HostClient, name: str) -> Any:
    return client.get(f"/lora_rack/energy?{urllib.parse.urlencode({'name': name})}")


def _draw(client: HostClient, **body: object) -> Any:
    return client.post("/lora_rack/blocks", {"name": DEMO, "blocks": "", "elements": "", **body})


def _error(refused: pytest.ExceptionInfo[urllib.error.HTTPError]) -> Any:
    assert refused.value.code == 400
    return json.loads(refused.value.read())["error"]


def test_energy_is_the_norm_of_the_product(client: HostClient) -> None:
    """‖scale · up · down‖², multiplied out here, for every layer of the demo's slider."""
    tensors = load_file(Path(os.environ["RACK_BASE_DIR"]) / "models" / "loras" / DEMO)
    energies: dict[str, float] = {}
    for key in tensors:
        layer, _, role = key.partition(".")
        if role != "lora_down.weight":
            continue
        down, up = (tensors[f"{layer}.lora_{half}.weight"].astype(np.float64) for half in ("down", "up"))
        rank = down.shape[0]
        change = float(tensors[f"{layer}.alpha"]) / rank * up @ down
        number = int(layer.removeprefix("lora_unet_joint_blocks_").partition("_")[0])
        block = f"J{number:02}"
        energies[block] = energies.get(block, 0.0) + float((change**2).sum())
    whole = sum(energies.values())
    found = _energy(client, DEMO)
    assert found["title"] == "Stable Diffusion 3"
    shares = {block["id"]: block["share"] for block in found["blocks"] if block["isPresent"]}
    assert shares == pytest.approx({block: energy / whole for block, energy in energies.items()}, rel=1e-4)


def test_a_curve_is_drawn_and_read(client: HostClient) -> None:
    ids = [block["id"] for block in _energy(client, DEMO)["blocks"]]
    drawn = _draw(client, weights={ids[0]: 0.25, ids[-1]: 0})
    assert drawn["weights"] == {id: {ids[0]: 0.25, ids[-1]: 0.0}.get(id, 1.0) for id in ids}
    again = _draw(client, blocks=drawn["blocks"], weights={id: None for id in ids})
    assert (again["blocks"], set(again["weights"].values())) == ("", {1.0})


@pytest.mark.parametrize("name", ["../../extra_model_paths.yaml", "/etc/passwd", "no such lora"])
def test_only_listed_files_are_measured(client: HostClient, name: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        _energy(client, name)
    assert _error(refused)["type"] == "MissingLora"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"blocks": 3}, "blocks must be a text"),
        ({"weights": [1]}, "weights must be an object"),
        ({"weights": {"J00": "much"}}, "the weight of 'J00' must be a number from -1000 to 1000 or null"),
        ({"weights": {"J00": True}}, "the weight of 'J00' must be a number from -1000 to 1000 or null"),
        ({"weights": {"IN04": 0.5}}, "Stable Diffusion 3 has no block IN04"),
        ({"blocks": "IN04=0.5"}, "expected a block of Stable Diffusion 3"),
    ],
)
def test_what_cannot_be_drawn_is_refused(client: HostClient, body: dict[str, Any], message: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        _draw(client, **body)
    assert message in _error(refused)["message"]


def test_a_bad_text_is_named_with_its_place(client: HostClient) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        _draw(client, blocks="J00=0.5 J01=?")
    error = _error(refused)
    assert (error["type"], error["which"], error["position"]) == ("BadBlockText", "blocks", 12)
