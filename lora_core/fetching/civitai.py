"""Civitai's public REST API, as https://developer.civitai.com/site/reference/ documents it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

from ..errors import NotOffered
from ..library import hashes_of, items, mapping, model_of, number, split_words, text_of
from .candidates import Candidate, Licence
from .http import Client
from .references import ByHash, OnCivitai, Reference

BASE = "https://civitai.com"
TOKEN_VARIABLE = "CIVITAI_API_TOKEN"
_LORA_TYPES = frozenset({"lora", "locon", "dora", "lycoris"})
_COMMERCIAL = {"image": "selling the images", "rent": "renting it out", "sell": "selling the file"}


class Civitai:
    """The site, or a server that answers as it does at `base`."""

    name = "Civitai"

    def __init__(self, token: str = "", base: str = BASE) -> None:
        self._client = Client(self.name, base.rstrip("/"), TOKEN_VARIABLE, token)

    def look_up(self, reference: Reference) -> tuple[Candidate, ...] | None:
        """The safetensors files that a hash, a version or a model's newest version means."""
        if not isinstance(reference, ByHash | OnCivitai):
            return None
        try:
            version = self._version(reference)
            model = self._model(version)
        except NotOffered:
            return ()
        kind = text_of(mapping(version.get("model")).get("type")) or text_of(model.get("type"))
        if kind and kind.lower() not in _LORA_TYPES:
            raise NotOffered(
                f"{reference} is a {kind} on Civitai, not a LoRA. Load it with the node for that"
            )
        wanted = reference.hash if isinstance(reference, ByHash) else ""
        return tuple(_chosen(self._candidates(version, model), wanted))

    def open(self, candidate: Candidate, start: int = 0) -> HTTPResponse:
        """The bytes of a file."""
        return self._client.open(candidate.url, start)

    def _version(self, reference: ByHash | OnCivitai) -> Mapping[str, Any]:
        if isinstance(reference, ByHash):
            return mapping(self._client.json(f"/api/v1/model-versions/by-hash/{reference.hash.upper()}"))
        if reference.version is not None:
            found = mapping(self._client.json(f"/api/v1/model-versions/{reference.version}"))
            if reference.model is not None and found.get("modelId") not in (None, reference.model):
                raise NotOffered(
                    f"version {reference.version} belongs to model {found.get('modelId')} on Civitai"
                )
            return found
        model = mapping(self._client.json(f"/api/v1/models/{reference.model}"))
        versions = [mapping(version) for version in items(model.get("modelVersions"))]
        if not versions:
            raise NotOffered(f"{reference} has no version that is published")
        return {**versions[0], "modelId": model.get("id"), "model": _without_versions(model)}

    def _model(self, version: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the model says of its licence; an answer about a version does not."""
        inside = mapping(version.get("model"))
        if "allowCommercialUse" in inside or type(version.get("modelId")) is not int:
            return inside
        return _without_versions(mapping(self._client.json(f"/api/v1/models/{version['modelId']}")))

    def _candidates(self, version: Mapping[str, Any], model: Mapping[str, Any]) -> Iterable[Candidate]:
        about = model_of(version)
        details = {**version, "model": {**mapping(version.get("model")), **model}}
        for file in about.files:
            address = text_of(file.get("downloadUrl"))
            if not _is_lora(file) or urlsplit(address).scheme not in ("http", "https"):
                continue
            size = number(file.get("sizeKB"))
            yield Candidate(
                site=self.name,
                file_name=text_of(file.get("name")),
                url=address,
                page=about.page,
                size=round(size * 1024) if size is not None and size >= 0 else None,
                hashes=hashes_of((file,), None),
                title=about.name or text_of(version.get("name")),
                base_model=about.base_model,
                trigger_words=tuple(split_words(about.words)),
                licence=_licence(model),
                preview=_preview(version),
                details=details,
            )


def _is_lora(file: Mapping[str, Any]) -> bool:
    form = text_of(mapping(file.get("metadata")).get("format")).lower()
    of_model = text_of(file.get("type")) in ("", "Model", "Pruned Model")
    named = text_of(file.get("name")).lower().endswith(".safetensors")
    return of_model and (form == "safetensor" or (not form and named))


def _chosen(found: Iterable[Candidate], wanted: str) -> list[Candidate]:
    """The files of the hash that was asked for; without one all of them, Civitai's order being the rank."""
    every = list(found)
    return [candidate for candidate in every if candidate.has(wanted)] if wanted else every


def _licence(model: Mapping[str, Any]) -> Licence:
    """The permissions of a model page as what they leave out."""
    if "allowCommercialUse" not in model:
        return Licence()
    uses = model["allowCommercialUse"]
    allowed = {text_of(use).lower() for use in (uses if isinstance(uses, list) else [uses])}
    forbids = [phrase for use, phrase in _COMMERCIAL.items() if not any(use in one for one in allowed)]
    for key, phrase in (
        ("allowDerivatives", "sharing merges"),
        ("allowDifferentLicense", "another licence for merges"),
        ("allowNoCredit", "leaving out the author's name"),
    ):
        if model.get(key) is False:
            forbids.append(phrase)
    return Licence("Civitai's permissions", tuple(forbids))


def _preview(version: Mapping[str, Any]) -> str:
    """The first still picture that is fit for every eye."""
    for image in map(mapping, items(version.get("images"))):
        level = number(image.get("nsfwLevel"))
        if text_of(image.get("type")) in ("", "image") and (level is None or level <= 1):
            address = text_of(image.get("url"))
            if urlsplit(address).scheme in ("http", "https"):
                return address
    return ""


def _without_versions(model: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in model.items() if key != "modelVersions"}
