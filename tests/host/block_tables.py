"""The tables of docs/blocks.md, made from the host's own models and the pack's data.

Run in the host's interpreter with RACK_HOST_DIR set to bring the document up to date; a test says when.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import in_host

in_host.enter_host()
in_host.load_pack()

import full_models  # noqa: E402
from lora_rack.lora_core.blocks import ModelBlocks, Place, blocks_of_model, read_block_weights  # noqa: E402
from lora_rack.lora_core.blocks.block_weights import compressed  # noqa: E402
from lora_rack.lora_core.blocks.vectors import Preset, presets  # noqa: E402

DOCUMENT = in_host.ROOT / "docs" / "blocks.md"
HOST = "0.3.75"  # whose networks the tables count


def family_table() -> str:
    """A row per model: its blocks, how many of its weights have one, the elements in them."""
    lines = ["| model | blocks | weights | elements |", "|---|---|---|---|"]
    for name in full_models.BLOCKS:
        lines.append(_row(name, full_models.shapes_of(name)))
    for name in full_models.TEXT_BLOCKS:
        lines.append(_row(f"text: {name}", full_models.text_shapes_of(name)))
    return "\n".join(lines)


def _row(name: str, shapes: Mapping[str, tuple[int, ...]]) -> str:
    family = blocks_of_model(shapes)
    # The norms of Flux end in "scale" on 0.3.75 and in "weight" later.
    keys = [key for key in shapes if key.endswith((".weight", ".scale")) and key.startswith(family.prefix)]
    placed = [key for key in keys if family.place(key).block != "OTHER"]
    places = [place for key in placed for place in (family.place(key), *(p.place for p in family.parts(key)))]
    elements = sorted({word for place in places for word in place.element.split(".")} - {"other"})
    blocks = compressed(family.blocks(keys))
    return f"| {name} | {' '.join(blocks)} | {len(placed)} of {len(keys)} | {' '.join(elements)} |"


def preset_table() -> str:
    """A row per preset: the model it is for, its weights by block."""
    models = [blocks_of_model(full_models.shapes_of(name)) for name in ("SD1", "SDXL", "Flux.1")]
    lines = ["| preset | numbers | on | weights |", "|---|---|---|---|"]
    for preset in presets().values():
        family, weights = next(found for model in models if (found := _weights(preset, model)))
        text = ", ".join(f"{' '.join(ids)} = {value:g}" for value, ids in weights)
        lines.append(f"| {preset.name} | {len(preset.cells)} | {family.title} | {text} |")
    return "\n".join(lines)


def _weights(preset: Preset, family: ModelBlocks) -> tuple[ModelBlocks, list[tuple[float, list[str]]]] | None:
    """The blocks of a model by their weight; None where the preset is for another."""
    wanted = "FLUX" if preset.name.startswith("FLUX") else "SDXL" if preset.name.startswith("SDXL") else "SD1"
    if family.name != {"FLUX": "flux", "SDXL": "sdxl", "SD1": "sd1"}[wanted]:
        return None
    at = read_block_weights(preset.name).at(family)
    ids = [block for block in ("BASE", *family.present) if block != "OTHER"]
    found: dict[float, list[str]] = {}
    for block in ids:
        found.setdefault(at(Place(block, "")), []).append(block)
    return family, [(value, compressed(blocks)) for value, blocks in found.items()]


def current(text: str) -> str:
    """The document with its tables as they should be."""
    for name, table in (("families", family_table()), ("presets", preset_table())):
        mark = f"<!-- {name} -->"
        text = re.sub(rf"{mark}.*?{mark}", lambda _, t=table, m=mark: f"{m}\n{t}\n{m}", text, flags=re.DOTALL)
    return text


if __name__ == "__main__":
    DOCUMENT.write_text(current(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
