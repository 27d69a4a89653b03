"""What a site said of a LoRA, written beside it in the forms other tools read.

`NAME.json` is AUTOMATIC1111's (and SD.Next's), `NAME.metadata.json` is LoRA Manager's; the picture is
`NAME.preview.EXTENSION`. A file that is there is left as it is: it may hold what a person wrote.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import FetchError, RackError
from ..reading import replacing
from .candidates import Candidate
from .placing import Got
from .sites import LoraSite

_MAX_PICTURE = 2**24
_PICTURES = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpg", b"RIFF": "webp", b"GIF8": "gif"}


def write_beside(site: LoraSite, candidate: Candidate, got: Got) -> tuple[str, ...]:
    """Write what is not there yet; what could not be written or fetched, in words."""
    stem = got.path.name[: -len(got.path.suffix)]
    problems: list[str] = []
    for name, value in (
        (f"{stem}.json", _for_a1111(candidate)),
        (f"{stem}.metadata.json", _for_manager(candidate, got)),
    ):
        problems += _write(got.path.with_name(name), json.dumps(value, indent=2, ensure_ascii=False).encode())
    if candidate.preview:
        problems += _write_preview(site, candidate, got.path.with_name(stem))
    return tuple(problems)


def _for_a1111(candidate: Candidate) -> dict[str, Any]:
    """AUTOMATIC1111's user metadata (extensions-builtin/Lora, ui_edit_user_metadata.py)."""
    return {
        "description": candidate.title,
        "sd version": candidate.base_model,
        "activation text": ", ".join(candidate.trigger_words),
        "preferred weight": 0,
        "notes": "\n".join(filter(None, (candidate.page, f"Licence: {candidate.licence}"))),
    }


def _for_manager(candidate: Candidate, got: Got) -> dict[str, Any]:
    """LoRA Manager's metadata, with the site's own answer in it where it is Civitai's."""
    details: Mapping[str, Any] = candidate.details
    return {
        "file_name": got.path.name[: -len(got.path.suffix)],
        "model_name": candidate.title,
        "file_path": str(got.path),
        "size": got.size,
        "modified": got.path.stat().st_mtime,
        "sha256": got.sha256,
        "base_model": candidate.base_model,
        "preview_url": "",
        "notes": "",
        "from_civitai": candidate.site == "Civitai",
        "civitai": dict(details) if candidate.site == "Civitai" else {},
        "page": candidate.page,
        "licence": candidate.licence.name,
        "forbids": list(candidate.licence.forbids),
        "trainedWords": list(candidate.trigger_words),
        "tags": [],
        "modelDescription": "",
        "usage_tips": "{}",
    }


def _write_preview(site: LoraSite, candidate: Candidate, stem: Path) -> list[str]:
    try:
        with site.open(_picture_of(candidate)) as answer:
            picture = answer.read(_MAX_PICTURE + 1)
    except (FetchError, OSError) as error:
        return [f"the preview picture did not come ({error})"]
    extension = next((ending for start, ending in _PICTURES.items() if picture.startswith(start)), "")
    if not extension or len(picture) > _MAX_PICTURE:
        return ["the preview is not a picture, or is too large"]
    return _write(stem.with_name(f"{stem.name}.preview.{extension}"), picture)


def _picture_of(candidate: Candidate) -> Candidate:
    return Candidate(candidate.site, "preview", candidate.preview, candidate.page)


def _write(path: Path, content: bytes) -> list[str]:
    """A whole new file, or none; one that is there is kept."""
    if path.exists():
        return []
    try:
        with replacing(path, len(content), force=False) as file:
            file.write(content)
    except RackError as error:
        return [str(error)]
    return []
