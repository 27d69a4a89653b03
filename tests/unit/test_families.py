"""The records of families, held to every recorded host: every weight in a block, every LoRA name found."""

from __future__ import annotations

import family_table
import pytest
import recorded_hosts
from family_table import known, mistake
from recorded_hosts import VERSIONS, Entry

from lora_core.families import families, find_family, find_version, words
from lora_core.key_maps import model_names
from lora_core.key_maps.layer_names import modules_named

MODELS = [(version, name) for version in VERSIONS for name in recorded_hosts.models(version)]
ENCODERS = [(version, name) for version in VERSIONS for name in recorded_hosts.encoders(version)]


def _entry(version: str, name: str) -> Entry:
    return recorded_hosts.recorded(version)[name]


def _bare(entry: Entry) -> dict[str, tuple[int, ...]]:
    shapes = recorded_hosts.shapes(entry)
    return {
        k.removeprefix("diffusion_model."): s for k, s in shapes.items() if k.startswith("diffusion_model.")
    }


@pytest.mark.parametrize(("version", "name"), MODELS)
def test_a_model_is_of_one_family_and_all_of_it_is_known(version: str, name: str) -> None:
    found = known(_entry(version, name))
    assert len(found.of) == 1, "the markers of these fit; each needs what the others have in its `lacks`"
    assert found.family.name not in ("generic", "text_encoder")
    assert found.unplaced == ()
    assert found.without_element == ()
    assert found.missing == ()
    assert [one for one in found.elsewhere if not mistake(name, one)] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_every_weight_is_a_module_of_its_record(version: str) -> None:
    """So its name alone says the family and the key. A UNet's modules follow from rules."""
    unknown = set()
    for entry in recorded_hosts.models(version).values():
        family = find_family(_bare(entry))
        assert family is not None
        if family.id != "unet":
            modules = [key.rpartition(".")[0] for key in _bare(entry) if key.endswith((".weight", ".scale"))]
            found = {one: modules_named(one).get(family.id, "") for one in modules}
            # SAM 3 and 3.1 write one name with a dot and with an underscore.
            unknown |= {m for m, one in found.items() if m.replace(".", "_") != one.replace(".", "_")}
    assert unknown == set()


@pytest.mark.parametrize(("version", "name"), ENCODERS)
def test_all_of_a_text_encoder_is_known(version: str, name: str) -> None:
    entry = _entry(version, name)
    found = known(entry)
    assert (found.unplaced, found.without_element, found.missing, found.elsewhere) == ((), (), (), ())
    if found.keys:
        assert found.family.name == "text_encoder"
        assert {key.partition(".transformer.")[0] for key in found.keys if ".transformer." in key} <= words()
    else:
        assert name == "te_HiDreamO1", "it has no weight of its own"


def test_every_mistake_of_a_host_is_one_still() -> None:
    """None is excused that the newest host no longer makes."""
    entries = recorded_hosts.models(VERSIONS[-1])
    made = {(name, mistake(name, one)) for name, entry in entries.items() for one in known(entry).elsewhere}
    assert made == {(model, row["why"]) for row in family_table._mistakes() for model in row["models"]}  # type: ignore[attr-defined]


def test_every_record_is_of_a_model_of_some_host() -> None:
    found = set()
    for version in VERSIONS:
        for entry in recorded_hosts.models(version).values():
            family = find_family(_bare(entry))
            assert family is not None
            found |= {family.id, find_version(family, _bare(entry)).id}
    assert found == set(families())


@pytest.mark.parametrize("version", [v for v in VERSIONS if v != "0.3.75"])
def test_both_spellings_of_a_renamed_norm_lead_to_it(version: str) -> None:
    """ComfyUI called Flux's norms `scale` until February 2026, `weight` since."""
    entry = recorded_hosts.models(version)["Flux"]
    shapes = recorded_hosts.shapes(entry)
    older = {key.replace("_norm.weight", "_norm.scale"): shape for key, shape in shapes.items()}
    for model in (shapes, older):
        (key,) = [key for key in model if ".single_blocks.0.norm.query_norm." in key]
        names = model_names(model)
        path = "single_blocks.0.norm.query_norm"
        for name in (path, f"{path}.scale", f"diffusion_model.{path}", f"diffusion_model.{path}.scale"):
            assert names[name].key == key
        assert names["transformer.single_transformer_blocks.0.attn.norm_q"].key == key


def test_the_table_of_the_document_is_current() -> None:
    text = family_table.DOCUMENT.read_text(encoding="utf-8")
    assert family_table._MARK in text
    assert text == family_table.current(text), "run tests/unit/family_table.py"
