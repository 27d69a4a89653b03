"""Nodes of ComfyUI and of other packs that name LoRAs, and what each of them says.

Facts read in the packs' own node definitions: the order of widgets is the order the editor stores them in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..blocks import NEUTRAL, BlockWeights
from ..errors import NotConvertible
from ..stack import Entry
from .block_vectors import read_inspire
from .graph import Mode, Node


@dataclass(frozen=True)
class Said:
    """The LoRAs of a node in order, and what differs once they are ours."""

    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kind:
    """A kind of node: how to read it, and its sockets.

    `kept` are the outputs that have a counterpart: for a loader MODEL and CLIP, for a stacker its stack.
    """

    read: Callable[[Node], Said]
    is_stacker: bool = False
    has_clip: bool = True
    stack_input: str = ""
    kept: int = 2


def _entry(
    node: Node, name: Any, model: Any, clip: Any, enabled: bool = True, blocks: BlockWeights = NEUTRAL
) -> Entry:
    """An entry of values as stored. Raises NotConvertible for what is no name or no number."""
    if not isinstance(name, str) or not name.strip():
        raise NotConvertible(f"its LoRA is {name!r}, which is no name")
    if bad := set("<>:\r\n") & set(name):
        raise NotConvertible(
            f"the name {name!r} has {min(bad)!r} in it, which no tag can hold: rename the file"
        )
    return Entry(
        name.strip().replace("\\", "/"),
        _number(model, f"the strength of {name!r}"),
        _number(clip, f"the strength of {name!r}"),
        enabled and node.mode is Mode.ON,
        blocks,
    )


def _number(value: Any, what: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise NotConvertible(f"{what} is {value!r}, which is no number") from None
    if not math.isfinite(number):
        raise NotConvertible(f"{what} is not finite")
    return number


def _value(widgets: Mapping[str, Any], name: str) -> Any:
    if name not in widgets:
        raise NotConvertible(f"it has no value for {name!r}")
    return widgets[name]


def _lora_loader(node: Node) -> Said:
    widgets = node.widgets(("lora_name", "strength_model", "strength_clip"))
    names = ("lora_name", "strength_model", "strength_clip")
    return Said((_entry(node, *(_value(widgets, name) for name in names)),))


def _model_only(node: Node) -> Said:
    widgets = node.widgets(("lora_name", "strength_model"))
    return Said((_entry(node, _value(widgets, "lora_name"), _value(widgets, "strength_model"), 0.0),))


def _power_lora_loader(node: Node) -> Said:
    """rgthree: one dict a row; `strengthTwo`, if it is there, is the text encoder's."""
    values = node.values.values() if isinstance(node.values, Mapping) else node.values
    rows = [value for value in values if isinstance(value, dict) and "lora" in value]
    return Said(
        tuple(
            _entry(
                node,
                row["lora"],
                row.get("strength", 1.0),
                row.get("strength", 1.0) if row.get("strengthTwo") is None else row["strengthTwo"],
                bool(row.get("on", True)),
            )
            for row in rows
            if row["lora"] not in (None, "None")
        )
    )


_STACK_OF_FOUR = tuple(f"{part}_0{place}" for place in range(1, 5) for part in ("lora", "strength"))


def _lora_loader_stack(node: Node) -> Said:
    """rgthree: four names, each with one strength."""
    widgets = node.widgets(_STACK_OF_FOUR)
    rows = [(widgets.get(f"lora_0{n}"), widgets.get(f"strength_0{n}", 1.0)) for n in range(1, 5)]
    return Said(tuple(_entry(node, name, s, s) for name, s in rows if name not in (None, "None")))


_CR_STACK = tuple(
    f"{part}_{place}"
    for place in range(1, 4)
    for part in ("switch", "lora_name", "model_weight", "clip_weight")
)


def _cr_lora_stack(node: Node) -> Said:
    """Comfyroll: three names with a switch and two strengths each."""
    widgets = node.widgets(_CR_STACK)
    entries = [
        _entry(
            node,
            widgets[f"lora_name_{place}"],
            widgets.get(f"model_weight_{place}", 1.0),
            widgets.get(f"clip_weight_{place}", 1.0),
            widgets.get(f"switch_{place}") == "On",
        )
        for place in range(1, 4)
        if widgets.get(f"lora_name_{place}") not in (None, "None")
    ]
    return Said(tuple(entries))


def _cr_load_lora(node: Node) -> Said:
    names = ("switch", "lora_name", "strength_model", "strength_clip")
    widgets = node.widgets(names)
    if widgets.get("lora_name") == "None":
        return Said(())
    switch, name, model, clip = (_value(widgets, name) for name in names)
    return Said((_entry(node, name, model, clip, switch == "On"),))


_EFFICIENT = (
    "input_mode",
    "lora_count",
    *(
        f"{part}_{place}"
        for place in range(1, 50)
        for part in ("lora_name", "lora_wt", "model_str", "clip_str")
    ),
)


def _efficient_stacker(node: Node) -> Said:
    """Efficiency Nodes: `lora_count` rows of a name and one strength or, in advanced mode, two."""
    widgets = node.widgets(_EFFICIENT)
    is_simple = _value(widgets, "input_mode") == "simple"
    parts = ("lora_wt", "lora_wt") if is_simple else ("model_str", "clip_str")
    entries = [
        _entry(node, widgets[f"lora_name_{place}"], *(widgets.get(f"{part}_{place}", 1.0) for part in parts))
        for place in range(1, int(_number(_value(widgets, "lora_count"), "its lora_count")) + 1)
        if widgets.get(f"lora_name_{place}") not in (None, "None")
    ]
    notes = ("the stack it takes in now comes before its own LoRAs, not after them",)
    return Said(tuple(entries), notes if "lora_stack" in node.wired else ())


def _lora_manager(node: Node) -> Said:
    """LoRA Manager: a list of dicts, in the API format perhaps under `__value__`."""
    values = list(node.values.values()) if isinstance(node.values, Mapping) else list(node.values)
    lists = [value.get("__value__") if isinstance(value, dict) else value for value in values]
    rows = next((rows for rows in lists if isinstance(rows, list)), None)
    if rows is None:
        raise NotConvertible("it has no list of LoRAs")
    entries = [
        _entry(
            node,
            row["name"],
            row.get("strength", 1.0),
            row.get("clipStrength", row.get("strength", 1.0)),
            bool(row.get("active", False)),
        )
        for row in rows
        if isinstance(row, dict) and "name" in row
    ]
    return Said(tuple(entries))


_INSPIRE = (
    "category_filter",
    "lora_name",
    "strength_model",
    "strength_clip",
    "inverse",
    "seed",
    "control_after_generate",
    "A",
    "B",
    "preset",
    "block_vector",
    "bypass",
)
_CONTROLS = frozenset({"fixed", "increment", "decrement", "randomize"})


def _inspire(node: Node) -> Said:
    """Inspire's LoraLoaderBlockWeight; the editor puts a control behind its seed, older ones do not."""
    order: tuple[str, ...] = _INSPIRE
    if not isinstance(node.values, Mapping) and not _CONTROLS & {
        v for v in node.values if isinstance(v, str)
    }:
        order = tuple(name for name in _INSPIRE if name != "control_after_generate")
    widgets = node.widgets(order)
    letters = {name: _number(_value(widgets, name), f"its {name}") for name in ("A", "B")}
    blocks, notes = read_inspire(str(_value(widgets, "block_vector")), letters, bool(widgets.get("inverse")))
    name, model, clip = (_value(widgets, name) for name in ("lora_name", "strength_model", "strength_clip"))
    is_on = not widgets.get("bypass", False)
    return Said((_entry(node, name, model, clip, is_on, blocks),), notes)


def _nothing(node: Node) -> Said:
    return Said(())


KINDS: Mapping[str, Kind] = {
    "LoraLoader": Kind(_lora_loader),
    "LoraLoaderModelOnly": Kind(_model_only, has_clip=False, kept=1),
    "Power Lora Loader (rgthree)": Kind(_power_lora_loader),
    "Lora Loader Stack (rgthree)": Kind(_lora_loader_stack),
    "LoraLoaderBlockWeight //Inspire": Kind(_inspire),
    "CR Load LoRA": Kind(_cr_load_lora),
    "CR LoRA Stack": Kind(_cr_lora_stack, is_stacker=True, stack_input="lora_stack", kept=1),
    "CR Apply LoRA Stack": Kind(_nothing, stack_input="lora_stack"),
    "LoRA Stacker": Kind(_efficient_stacker, is_stacker=True, stack_input="lora_stack", kept=1),
    "Lora Loader (LoraManager)": Kind(_lora_manager, stack_input="lora_stack"),
    "Lora Stacker (LoraManager)": Kind(_lora_manager, is_stacker=True, stack_input="lora_stack", kept=1),
}
"""By the type a workflow stores."""

OURS = "LoraRack"


def unknown_lora_nodes(nodes: Iterator[Node]) -> Iterator[Node]:
    """Nodes that have to do with LoRAs, by their name, and are of no kind above."""
    return (
        node
        for node in nodes
        if "lora" in node.type.lower() and not node.type.startswith(OURS) and node.type not in KINDS
    )
