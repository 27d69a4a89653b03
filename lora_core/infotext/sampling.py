"""What other programs call samplers and schedules, in ComfyUI's names.

The table beside the code has what ComfyUI calls otherwise: A1111 (modules/sd_samplers_kdiffusion.py and
sd_schedulers.py), Forge, SD.Next and InvokeAI. What differs in spelling alone needs no line in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_USUAL = "normal"  # an A1111 before 1.9 spaced its steps evenly where it named no schedule


@dataclass(frozen=True)
class Sampling:
    """A sampler and a schedule as ComfyUI names them; empty where there is none of that name."""

    sampler: str
    scheduler: str


def sampling_of(sampler: str, schedule: str, samplers: Sequence[str], schedulers: Sequence[str]) -> Sampling:
    """What a program means by two names, the second perhaps empty, among those of a ComfyUI."""
    table = sampling_table()
    found, scheduler = _named(sampler, table["samplers"], samplers), ""
    if not found:  # the schedule may stand in the sampler's name
        for suffix in table["suffixes"]:
            words = _key(sampler)
            if words.endswith(_key(suffix)) and not found:
                found = _named(words.removesuffix(_key(suffix)), table["samplers"], samplers)
                scheduler = _named(suffix, table["schedulers"], schedulers) if found else ""
    if schedule.strip().lower() == "automatic":
        scheduler = scheduler or table["automatic"].get(found, table["without"].get(found, _USUAL))
    elif schedule.strip():
        scheduler = _named(schedule, table["schedulers"], schedulers)
    else:
        scheduler = scheduler or table["without"].get(found, _USUAL)
    return Sampling(found, scheduler if scheduler in schedulers else "")


@cache
def sampling_table() -> Mapping[str, Any]:
    """The table beside the code."""
    table: dict[str, Any] = json.loads(Path(__file__).with_name("sampling.json").read_text("utf-8"))
    return table


def _named(name: str, aliases: Mapping[str, str], there: Sequence[str]) -> str:
    key = _key(name)
    known = {_key(other): other for other in there}
    alias = {_key(other): meant for other, meant in aliases.items()}.get(key, "")
    return alias if alias in there else known.get(key, "")


def _key(name: str) -> str:
    """The letters and digits of a name: "DPM++ 2M" and "dpmpp_2m" are one."""
    return re.sub(r"[^a-z0-9]", "", name.lower().replace("++", "pp"))
