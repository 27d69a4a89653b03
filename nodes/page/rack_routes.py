"""What the page may ask of the racks that are kept under names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...lora_core.errors import RackError
from ...lora_core.racks import SavedRack, unpack
from ...lora_core.stack import NamedRack
from .. import host
from . import row_json
from .bodies import text_in

Json = dict[str, Any]
RACKS = host.RACKS


def listed(query: Mapping[str, str]) -> Json:
    """?query= → {"racks"}: those whose name or LoRAs hold every word, with their versions and LoRAs."""
    return {"racks": [_card(rack) for rack in RACKS.all(query.get("query", ""))]}


def kept(query: Mapping[str, str]) -> Json:
    """?name= → the rack and its text."""
    return _whole(RACKS.get(text_in(query, "name")))


def saved(body: Json) -> Json:
    """{"name", "text", "version"} → the rack. `version` is that of the one to replace, else empty."""
    return _whole(RACKS.save(text_in(body, "name"), text_in(body, "text"), _version(body)))


def renamed(body: Json) -> Json:
    """{"name", "to", "version"} → the rack."""
    return _whole(RACKS.rename(text_in(body, "name"), text_in(body, "to"), _version(body)))


def unpacked(body: Json) -> Json:
    """{"name", "strength"?, "enabled"?} → {"rows"}: what is kept under the name, times the strength."""
    row = row_json.from_json([{"kind": "rack", **body}]).rows[0]
    assert isinstance(row, NamedRack)
    return {"rows": row_json.to_json(unpack(row, RACKS.text_of(row.name)))}


def deleted(body: Json) -> Json:
    """{"name", "version"} → the name."""
    RACKS.delete(text_in(body, "name"), _version(body))
    return {"name": body["name"]}


def _card(rack: SavedRack) -> Json:
    return {"name": rack.name, "version": rack.version, "modified_s": rack.modified_s, "loras": rack.names}


def _whole(rack: SavedRack) -> Json:
    return {**_card(rack), "text": rack.text}


def _version(body: Json) -> str:
    return text_in({"version": "", **body}, "version")


GETS: dict[str, Callable[[Mapping[str, str]], Json]] = {"racks": listed, "rack": kept}
POSTS: Mapping[str, Callable[[Json], Json]] = {
    "rack/save": saved,
    "rack/rename": renamed,
    "rack/delete": deleted,
    "rack/rows": unpacked,
}


def problem_of(name: str) -> RackError | None:
    """Why a rack cannot be used by its name now, if anything."""
    try:
        RACKS.get(name)
    except RackError as error:
        return error
    return None
