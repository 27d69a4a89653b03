"""Tokens for sites: from the environment, else from a file that only its owner can read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ..errors import BadJson, FetchError
from ..untrusted import read_json

FILE = "lora_rack_tokens.json"
_MAX_BYTES = 2**16


def token(variable: str, folder: Path | None) -> str:
    """The token of an environment variable, or the entry of that name in FILE in `folder`; empty for none.

    Raises FetchError for a file that others can read, or that cannot be read as it should.
    """
    given = os.environ.get(variable, "").strip()
    if given or folder is None:
        return given
    path = folder / FILE
    try:
        status = path.stat()
        if os.name != "nt" and stat.S_IMODE(status.st_mode) & 0o077:
            raise FetchError(f"{path}: others on this machine can read your tokens. Run: chmod 600 '{path}'")
        content = read_json(path.read_bytes(), _MAX_BYTES)
    except FileNotFoundError:
        return ""
    except (OSError, BadJson) as error:
        raise FetchError(
            f'{path}: cannot be read as {{"{variable}": "…"}} ({type(error).__name__})'
        ) from None
    found = content.get(variable, "") if isinstance(content, dict) else ""
    return found.strip() if isinstance(found, str) else ""
