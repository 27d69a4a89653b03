"""What a person writes to name a file of a site: a hash, a number, a page, a repository."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import parse_qs, unquote, urlsplit

from ..errors import BadHash, BadReference
from ..reading import read_hash

_EXPECTED = (
    "hash=3f2a91c0de, civitai:MODEL or civitai:MODEL@VERSION, a page of Civitai, "
    "hf:OWNER/REPO[/FILE][@REVISION], or a page of Hugging Face"
)
_CIVITAI_HOSTS = frozenset({"civitai.com", "www.civitai.com", "civitai.red", "civitai.green"})
_HUB_HOSTS = frozenset({"huggingface.co", "www.huggingface.co", "hf.co"})
_CIVITAI = re.compile(r"(?:civitai:)?(\d{1,15})(?:@(\d{1,15}))?", re.IGNORECASE)
_AIR = re.compile(r"urn:air:[\w.-]+:[\w.-]+:civitai:(\d{1,15})(?:@(\d{1,15}))?", re.IGNORECASE)
_HUB = re.compile(r"hf:([\w.-]+/[\w.-]+)(?:/([^@]+))?(?:@(.+))?", re.IGNORECASE)
_MAX_LENGTH = 2048


@dataclass(frozen=True)
class ByHash:
    """The file of a content: the beginning of any hash of docs/references.md, in lower case."""

    hash: str

    def __str__(self) -> str:
        return f"hash={self.hash}"


@dataclass(frozen=True)
class OnCivitai:
    """A version of a model on Civitai; the newest where `version` is None. One of the two is given."""

    model: int | None = None
    version: int | None = None

    def __str__(self) -> str:
        if self.model is None:
            return f"version {self.version} on Civitai"
        return f"civitai:{self.model}" + (f"@{self.version}" if self.version is not None else "")


@dataclass(frozen=True)
class OnHub:
    """A file of a repository on Hugging Face; its only LoRA where `file` is empty."""

    repo: str
    file: str = ""
    revision: str = "main"

    def __str__(self) -> str:
        file = f"/{self.file}" if self.file else ""
        return f"hf:{self.repo}{file}" + (f"@{self.revision}" if self.revision != "main" else "")


Reference = ByHash | OnCivitai | OnHub


def read_reference(text: str) -> Reference:
    """A reference as a person writes it. Raises BadReference, or BadHash for a hash that can be no file's."""
    text = text.strip()
    if len(text) > _MAX_LENGTH:
        raise BadReference(f"{text[:40]}…", _EXPECTED)
    if text.lower().startswith("hash="):
        return ByHash(read_hash(text[5:]))
    if found := _AIR.fullmatch(text) or _CIVITAI.fullmatch(text):
        return OnCivitai(int(found[1]), int(found[2]) if found[2] else None)
    if found := _HUB.fullmatch(text):
        return _on_hub(text, found[1], found[2] or "", found[3] or "main")
    if text.lower().startswith(("http://", "https://")):
        return _page(text)
    try:
        return ByHash(read_hash(text))
    except BadHash:
        raise BadReference(text, _EXPECTED) from None


def _page(text: str) -> Reference:
    try:
        address = urlsplit(text)
        host, query = (address.hostname or "").lower(), parse_qs(address.query)
    except ValueError:
        raise BadReference(text, _EXPECTED) from None
    parts = [unquote(part) for part in address.path.split("/") if part]
    if host in _CIVITAI_HOSTS:
        return _civitai_page(text, parts, query)
    if host in _HUB_HOSTS:
        return _hub_page(text, parts)
    raise BadReference(text, _EXPECTED)


def _civitai_page(text: str, parts: list[str], query: dict[str, list[str]]) -> Reference:
    version = _number((query.get("modelVersionId") or [""])[0])
    numbers = {kind: _number(number) for kind, number in pairwise(parts)}
    if "download" in parts or "model-versions" in parts:
        version = numbers.get("models") or numbers.get("model-versions")
        if version is not None:
            return OnCivitai(None, version)
    elif numbers.get("models") is not None:
        return OnCivitai(numbers["models"], version)
    raise BadReference(
        text, "the page of a model, such as https://civitai.com/models/1234?modelVersionId=5678"
    )


def _hub_page(text: str, parts: list[str]) -> Reference:
    if len(parts) == 2:
        return _on_hub(text, "/".join(parts), "", "main")
    if len(parts) >= 4 and parts[2] in ("blob", "resolve", "tree", "raw"):
        return _on_hub(text, "/".join(parts[:2]), "/".join(parts[4:]), parts[3])
    raise BadReference(
        text, "the page of a repository or of a file in it, such as https://huggingface.co/a/b"
    )


def _on_hub(text: str, repo: str, file: str, revision: str) -> OnHub:
    if any(part in ("", ".", "..") for part in [*repo.split("/"), *file.split("/")][: None if file else 2]):
        raise BadReference(text, "a path without '.', '..' or empty parts")
    return OnHub(repo, file, revision)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 15 else None
