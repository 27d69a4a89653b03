"""What a saved file says of itself: what it was made of, its family, title and trigger words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from ..changes import StackRow
from ..grammar import write_safely
from ..merging import Method
from ..reading import sha256


def facts_of_stack(rows: Sequence[StackRow], method: Method) -> dict[str, str]:
    """Of a file that holds a stack. Where the files agree on a family, it is taken over."""
    headers = [row.lora.metadata for row in rows]
    files = [row.lora.stamp.path for row in rows]
    found = {"ss_network_module": "networks.lora"}
    found |= _same(headers, "ss_base_model_version") | _same(headers, "modelspec.architecture")
    found["modelspec.sai_model_spec"] = "1.0.0"
    found["modelspec.title"] = " + ".join(file.stem for file in files)
    found["lora_rack.stack"] = write_safely([row.entry for row in rows])
    found["lora_rack.method"] = method.text
    found["lora_rack.made_of"] = json.dumps(
        [{"name": file.name, "sha256": sha256(file)} for file in files], ensure_ascii=False
    )
    words = [header.get("modelspec.trigger_phrase", "").strip() for header in headers]
    if any(words):
        found["modelspec.trigger_phrase"] = ", ".join(dict.fromkeys(filter(None, words)))
    return found


def _same(headers: list[Mapping[str, str]], key: str) -> dict[str, str]:
    """The value that all headers which have the key agree on."""
    values = {header[key] for header in headers if header.get(key)}
    return {key: values.pop()} if len(values) == 1 else {}
