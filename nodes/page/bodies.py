"""What requests hold, checked field by field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...lora_core.errors import BadRequest
from ...lora_core.untrusted import shown


def text_in(holder: Mapping[str, Any], name: str) -> str:
    """The text of this name in a body or a query. Raises BadRequest."""
    value = holder.get(name)
    if not isinstance(value, str):
        raise BadRequest(f'the request must hold a text "{name}", not {shown(value)}')
    return value
