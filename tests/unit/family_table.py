"""The table of docs/blocks.md: what is known of every class of the newest recorded host.

Run it to bring the document up to date; a test says when.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import recorded_hosts
from recorded_hosts import ROOT, VERSIONS, Entry

from lora_core.blocks import ModelBlocks, blocks_of_model
from lora_core.families import families, find_family
from lora_core.key_maps import KeyMap, model_names, text_encoder_names

DOCUMENT = ROOT / "docs" / "blocks.md"
PREFIX = "diffusion_model."
_MARK = "<!-- classes -->"
_TRIED = "0.28.0"


@dataclass(frozen=True)
class Known:
    """What our tables say of one entry of a record."""

    family: ModelBlocks
    of: tuple[str, ...]  # the families whose markers fit
    keys: tuple[str, ...]  # weights of the model itself
    unplaced: tuple[str, ...]
    without_element: tuple[str, ...]
    names: int
    missing: tuple[str, ...]
    elsewhere: tuple[str, ...]  # names that lead to other rows than the host's


@cache
def _mistakes() -> list[Mapping[str, object]]:
    path = Path(__file__).with_name("host_mistakes.json")
    found: list[Mapping[str, object]] = json.loads(path.read_text(encoding="utf-8"))["mistakes"]
    return found


def mistake(model: str, name: str) -> str:
    """Why the host's own rows of a LoRA name are wrong; empty where they are not known to be."""
    for row in _mistakes():
        if model in row["models"] and re.search(str(row["names"]), name):  # type: ignore[operator]
            return str(row["why"])
    return ""


def known(entry: Entry) -> Known:
    """What our tables say of one entry; of equal ones once."""
    return _known(json.dumps([entry["keys"], entry["lora_names"]]))


@cache
def _known(text: str) -> Known:
    keys, lora_names = json.loads(text)
    entry = {"keys": keys, "lora_names": lora_names}
    shapes = recorded_hosts.shapes(entry)
    is_model = any(key.startswith(PREFIX) for key in shapes)
    family = blocks_of_model(shapes)
    own = tuple(key for key in shapes if key.startswith(PREFIX) or not is_model)
    bare = [key.removeprefix(PREFIX) for key in own]
    targets = KeyMap.of((model_names if is_model else text_encoder_names)(shapes), shapes).targets
    hosts = recorded_hosts.lora_targets(entry)
    return Known(
        family,
        tuple(_fitting(bare)) if is_model else (),
        own,
        tuple(key for key in own if family.place(key).block in ("OTHER", "BASE")),
        tuple(key for key in own if "other" in family.place(key).element.split(".")),
        len(hosts),
        tuple(name for name in hosts if name not in targets),
        tuple(n for n, (key, rows, function) in hosts.items() if n in targets and (
            (targets[n].key, targets[n].offset, targets[n].function is None) != (key, rows, function is None)
        )),
    )  # fmt: skip


def _fitting(keys: list[str]) -> Iterator[str]:
    found = {*keys, *(key.partition(".")[0] + "." for key in keys)}
    assert find_family(keys) is None or any(m.fits(found) for m in find_family(keys).markers)  # type: ignore[union-attr]
    return (id for id, one in families().items() if any(marker.fits(found) for marker in one.markers))


def table() -> str:
    """A row per class: its family, the kinds of its blocks, and how much of it is known."""
    newest, tried = VERSIONS[-1], recorded_hosts.recorded(_TRIED)
    lines = [
        "| class | family | kinds of blocks | weights in a block | LoRA names found |",
        "|---|---|---|---|---|",
    ]
    entries = {**recorded_hosts.models(newest), **recorded_hosts.encoders(newest)}
    for name, entry in entries.items():
        title = f"text: {name.removeprefix('te_')}" if name.startswith("te_") else name
        lines.append(_row(title + ("" if name in tried else " (untried)"), name, known(entry)))
    return "\n".join(lines)


def _row(title: str, name: str, found: Known) -> str:
    if not found.keys:
        return f"| {title} | none | none | 0 of 0: it has no weight of its own | 0 of 0 |"
    kinds = dict.fromkeys(re.sub(r"\d+$", "", block) for block in found.family.present if block != "OTHER")
    placed = f"{len(found.keys) - len(found.unplaced)} of {len(found.keys)}"
    names = f"{found.names - len(found.missing)} of {found.names}"
    if why := {mistake(name, one) for one in found.elsewhere}:
        names += f"; {len(found.elsewhere)} to other rows than the host's: {'; '.join(sorted(why))}"
    return f"| {title} | {found.family.title} | {' '.join(kinds)} | {placed} | {names} |"


def current(text: str) -> str:
    """The document with the table as it should be."""
    return re.sub(f"{_MARK}.*?{_MARK}", lambda _: f"{_MARK}\n{table()}\n{_MARK}", text, flags=re.DOTALL)


if __name__ == "__main__":
    DOCUMENT.write_text(current(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
