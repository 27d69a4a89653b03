"""The LoRAs that a text lists beside its prompt, as tags in the prompt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..errors import RackError
from ..grammar import scan_prompt, write_entry
from ..library import file_stem
from ..stack import Entry
from .taken import Taken, digest, number

_TYPES = ("lora", "lycoris", "locon", "dora")
Listed = tuple[str, Any, str]  # name, weight, hash


def with_tags(prompt: str, taken: Taken) -> str:
    """The prompt with a tag behind it for every LoRA that is listed beside it and not in it."""
    in_prompt = {file_stem(tag.entry.name).lower() for tag in scan_prompt(prompt).found.tags}
    listed = [*_listed(taken), *_numbered(taken)]
    resources = [*resources_of(taken, *_TYPES)]
    if not listed and not in_prompt:  # a site lists those of tags as well
        listed = [(name, one.get("weight", 1.0), hash) for one, name, hash in resources]
    tags = [
        _tag(name, weight, hash, taken)
        for name, weight, hash in listed
        if file_stem(name).lower() not in in_prompt
    ]
    return " ".join(filter(None, [prompt.rstrip(), *tags])) if any(tags) else prompt


def resources_of(taken: Taken, *types: str) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Civitai's resources of these types: each, its name and its hash."""
    for field in ("civitairesources", "resources"):
        listed = taken.take(field)
        for one in listed if isinstance(listed, list) else ():
            if isinstance(one, dict) and str(one.get("type")).lower() in types:
                name = one.get("modelName") or one.get("name")
                yield one, name if isinstance(name, str) else "", digest(one.get("hash"))


def hashes_of(taken: Taken) -> dict[str, str]:
    """Hashes by `model`, `vae` and `lora:NAME`, as A1111 and Civitai's extension of it list them."""
    found: dict[str, str] = {}
    listed = taken.take("hashes")
    for name, hash in listed.items() if isinstance(listed, dict) else ():
        found[name] = digest(hash)
    text = taken.value("lora_hashes")
    for item in text.split(",") if isinstance(text, str) else ():
        name, _, hash = item.rpartition(":")
        found[f"lora:{name.strip()}"] = digest(hash)
    return {name: hash for name, hash in found.items() if hash}


def _listed(taken: Taken) -> Iterator[Listed]:
    """InvokeAI's objects, Fooocus' and SwarmUI's lists."""
    names, weights = taken.value("loras"), taken.value("lora_weights")
    for place, one in enumerate(names if isinstance(names, list) else ()):
        match one:
            case {"model": dict() as model}:
                yield _text(model.get("name") or model.get("model_name")), one.get("weight", 1.0), ""
            case {"name": str() as name} | {"model_name": str() as name}:
                yield name, one.get("weight", one.get("strength", 1.0)), digest(one.get("hash"))
            case [str() as name, weight, *rest]:
                yield name, weight, digest(rest[0] if rest else "")
            case str() as name:
                known = isinstance(weights, list) and place < len(weights)
                yield name, weights[place] if known else 1.0, ""


def _numbered(taken: Taken) -> Iterator[Listed]:
    """Fooocus' log: `LoRA 1: name : 0.5`."""
    for _, value in taken.like(r"lora\d{1,2}"):
        name, colon, weight = value.rpartition(":")
        yield (name.strip(), weight.strip(), "") if colon else (value, 1.0, "")


def _tag(name: str, weight: Any, hash: str, taken: Taken) -> str:
    found = number(weight)
    strength = 1.0 if found is None else found
    try:
        return write_entry(Entry(name.strip(), strength, strength, hash=hash))
    except RackError as error:
        taken.remarks.append(f"a LoRA is left out: {error}")
        return ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
