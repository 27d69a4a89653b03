"""Our key maps against the host's, for the host's own model of every family it has a map for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import comfy.lora
import families
import in_host
import pytest
import torch

in_host.load_pack()

from lora_rack.lora_core import families as our_families  # noqa: E402
from lora_rack.lora_core.key_maps import names, text_encoders  # noqa: E402
from lora_rack.lora_core.key_maps.key_map import Target  # noqa: E402

# Where the host's own slice is not that of the model, so that no file could be applied through it.
_HOST_IS_WRONG = {
    # The gated MLP of Flux.2 has 6 widths, the host takes 4 as in Flux.1.
    "Flux.2": ("proj_mlp",),
    # Lumina 2 has fewer heads for k and v than for q, the host takes three equal thirds.
    "Lumina 2": ("to_k", "to_v"),
}


def _shapes(module: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in module.state_dict().items()}


def _host_targets(found: Mapping[str, Any], shapes: Mapping[str, Any]) -> dict[str, Target]:
    """The host's map as targets, without the names that lead to no weight of the model."""
    targets = {
        name: Target(value) if isinstance(value, str) else Target(*value) for name, value in found.items()
    }
    return {name: target for name, target in targets.items() if target.key in shapes}


def _check_equal(ours: Mapping[str, Target], theirs: Mapping[str, Target], wrong: tuple[str, ...]) -> int:
    theirs = {name: target for name, target in theirs.items() if not name.endswith(wrong or "\0")}
    missing = [name for name in theirs if name not in ours]
    assert not missing
    probe = torch.arange(24.0).view(8, 3)
    for name, target in theirs.items():
        mine = ours[name]
        assert (name, mine.key, mine.offset) == (name, target.key, target.offset)
        assert (mine.function is None) == (target.function is None)
        if mine.function is not None and target.function is not None:
            assert torch.equal(mine.function(probe), target.function(probe))
    return len(theirs)


def _check_targets(ours: Mapping[str, Target], shapes: Mapping[str, tuple[int, ...]]) -> None:
    for target in ours.values():
        shape = shapes[target.key]
        if target.offset is not None:
            dimension, start, length = target.offset
            assert start + length <= shape[dimension]


@pytest.mark.parametrize("name", families.MODELS)
def test_model_map_equals_the_hosts(name: str, record_property: Any) -> None:
    model = families.model(name)
    shapes = _shapes(model)
    theirs = _host_targets(comfy.lora.model_lora_keys_unet(model, {}), shapes)
    ours = names.model_names(shapes)
    compared = _check_equal(ours, theirs, _HOST_IS_WRONG.get(name, ()))
    _check_targets(ours, shapes)
    record_property("equal", compared)
    record_property("ours_more", len(ours) - compared)
    print(f"\n{name}: {compared} names equal to the host's, {len(ours) - compared} more", end="")


@pytest.mark.parametrize("name", families.TEXT_ENCODERS)
def test_text_encoder_map_equals_the_hosts(name: str, record_property: Any) -> None:
    encoder = families.text_encoder(name)
    shapes = _shapes(encoder)
    theirs = _host_targets(comfy.lora.model_lora_keys_clip(encoder, {}), shapes)
    ours = text_encoders.text_encoder_names(shapes)
    compared = _check_equal(ours, theirs, ())
    _check_targets(ours, shapes)
    record_property("equal", compared)
    record_property("ours_more", len(ours) - compared)
    print(f"\n{name}: {compared} names equal to the host's, {len(ours) - compared} more", end="")


def test_every_model_of_the_host_is_of_a_family() -> None:
    """That every family is some host's, the unit ring asks of all recorded hosts together."""
    found = {}
    for name in families.MODELS:
        keys = [key.removeprefix("diffusion_model.") for key in _shapes(families.model(name))]
        found[name] = our_families.find_family(keys)
    assert [name for name, family in found.items() if family is None] == []
    assert len({family.id for family in found.values() if family is not None}) > 20
