"""The text encoders families are used with have the weights recorded hosts give them."""

from __future__ import annotations

import re

import pytest
from recorded_hosts import VERSIONS, encoders, shapes

from lora_core.families import as_usual, families, family, usual_encoders

LATER_BLOCK = re.compile(r"\.(?:layers|layer|block)\.(?:[3-9]|\d\d+)\.")  # records leave them out
IN_FIRST_BLOCK = re.compile(
    r"\.transformer\.(?:(?:text_)?model\.|bert\.)?(?:encoder\.)?(?:layers?|block)\.0\.(?!.*relative_attention)"
)
SETS = [(id, number) for id, one in families().items() for number in range(len(one.encoders))]


@pytest.mark.parametrize(("id", "number"), SETS)
def test_a_set_of_encoders_is_that_of_a_host(id: str, number: int) -> None:
    usual = usual_encoders(family(id))[number]
    early = {key: shape for key, shape in usual.items() if not LATER_BLOCK.search(key)}
    recorded = [shapes(entry) for version in VERSIONS for entry in encoders(version).values()]
    assert early
    assert any(early.items() <= found.items() for found in recorded)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_matrix_of_a_block_is_known(version: str) -> None:
    """Of the encoders in a set: LoRAs are trained on no others."""
    usual = {key for one in families().values() for found in usual_encoders(one) for key in found}
    names = {key.partition(".")[0] for key in usual}
    recorded = {
        key
        for entry in encoders(version).values()
        for key, shape in shapes(entry).items()
        if key.partition(".")[0] in names and IN_FIRST_BLOCK.search(key) and len(shape) == 2
    }
    assert len(recorded) > 50
    assert recorded <= usual


def test_an_encoder_alone_gets_the_name_its_family_has_for_it() -> None:
    alone = {f"llama.transformer.model.layers.{n}.self_attn.q_proj.weight": (4096, 2560) for n in range(36)}
    found = as_usual(alone, family("z_image"))
    assert {key.partition(".")[0] for key in found} == {"qwen3_4b"}
    assert as_usual(alone, family("sdxl")) == alone
