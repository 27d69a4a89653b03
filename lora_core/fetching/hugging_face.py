"""Hugging Face through its own library, `huggingface_hub`, which is an optional extra.

The library answers what there is and where; the bytes come by transfer.py like those of any site.
"""

from __future__ import annotations

from http.client import HTTPResponse
from typing import Any

from ..errors import AccessDenied, FetchError, NotOffered, SiteError
from ..reading import clean_hash
from .candidates import ENDING, Candidate, Licence
from .http import Client
from .references import OnHub, Reference

BASE = "https://huggingface.co"
TOKEN_VARIABLE = "HF_TOKEN"
# Licences whose name says what it forbids; others are named and left to the reader.
_FORBIDS = {"-nc": "commercial use", "-nd": "sharing merges", "non-commercial": "commercial use"}


class HuggingFace:
    """The site, or a server that answers as it does at `base`."""

    name = "Hugging Face"

    def __init__(self, token: str = "", base: str = BASE) -> None:
        self._token = token
        self._base = base.rstrip("/")
        self._client = Client(self.name, self._base, TOKEN_VARIABLE, token)

    def look_up(self, reference: Reference) -> tuple[Candidate, ...] | None:
        """The file of a repository that is named, or all of its safetensors files at the top of it."""
        if not isinstance(reference, OnHub):
            return None
        hub = _library()
        info = self._info(hub, reference)
        files = [file for file in info.siblings or () if file.rfilename.lower().endswith(ENDING)]
        if reference.file:
            files = [file for file in files if file.rfilename == reference.file]
        else:
            files = [file for file in files if "/" not in file.rfilename] or files
        return tuple(self._candidate(hub, reference, info, file) for file in files)

    def open(self, candidate: Candidate, start: int = 0) -> HTTPResponse:
        """The bytes of a file."""
        return self._client.open(candidate.url, start)

    def _info(self, hub: Any, reference: OnHub) -> Any:
        errors = hub.errors
        api = hub.HfApi(endpoint=self._base, token=self._token or False)
        try:
            return api.model_info(
                reference.repo, revision=reference.revision, files_metadata=True, timeout=30.0
            )
        except errors.GatedRepoError:
            raise AccessDenied(self.name, 403, str(reference), TOKEN_VARIABLE) from None
        except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
            if not self._token:
                # A private repository looks just so to whoever may not see it.
                raise NotOffered(
                    f"Hugging Face shows no {reference}. If it is private, set {TOKEN_VARIABLE}"
                ) from error
            raise NotOffered(f"Hugging Face shows no {reference}") from error
        except errors.HFValidationError as error:
            raise NotOffered(f"{reference} can be no repository of Hugging Face") from error
        except errors.HfHubHTTPError as error:
            status = getattr(getattr(error, "response", None), "status_code", 0)
            if status in (401, 403):
                raise AccessDenied(self.name, status, str(reference), TOKEN_VARIABLE) from None
            raise SiteError(self.name, f"answered with HTTP {status}") from None
        except Exception as error:
            # The library hands its HTTP client's own exceptions on, and the client changed between versions.
            raise SiteError(self.name, f"cannot be reached ({type(error).__name__})") from error

    def _candidate(self, hub: Any, reference: OnHub, info: Any, file: Any) -> Candidate:
        # The commit, not the branch: what is shown is what is downloaded.
        revision = info.sha or reference.revision
        card = info.card_data.to_dict() if info.card_data is not None else {}
        sha256 = clean_hash(getattr(file.lfs, "sha256", None)) if file.lfs is not None else ""
        return Candidate(
            site=self.name,
            file_name=file.rfilename,
            url=hub.hf_hub_url(reference.repo, file.rfilename, revision=revision, endpoint=self._base),
            page=f"{BASE}/{reference.repo}",
            size=file.size if isinstance(file.size, int) else None,
            hashes={"sha256": sha256} if sha256 else {},
            title=reference.repo,
            base_model=_first(card.get("base_model")),
            trigger_words=_words(card.get("instance_prompt")),
            licence=_licence(card),
            details={"repo": reference.repo, "revision": revision, "file": file.rfilename},
        )


def _library() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError:
        raise FetchError(
            "Files of Hugging Face come through its own library, which is not installed. "
            "Run: pip install huggingface_hub"
        ) from None
    return huggingface_hub


def _first(value: Any) -> str:
    value = value[0] if isinstance(value, list) and value else value
    return value.strip() if isinstance(value, str) else ""


def _words(value: Any) -> tuple[str, ...]:
    return (value.strip(),) if isinstance(value, str) and value.strip() and value.strip() != "None" else ()


def _licence(card: dict[str, Any]) -> Licence:
    name = _first(card.get("license_name")) or _first(card.get("license"))
    return Licence(
        name, tuple(dict.fromkeys(what for mark, what in _FORBIDS.items() if mark in name.lower()))
    )
