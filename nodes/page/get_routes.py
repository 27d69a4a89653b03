"""What the page may ask about LoRAs that are not here: what a site has, and downloads.

Only `get/look_up`, `get/start` and what was begun by it use the network, and only the page of this server, or
a program, may ask for these: a page of another site cannot make this one download.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from ...lora_core.errors import BadRequest, RackError
from ...lora_core.fetching import Offer, Reference, read_reference
from ...lora_core.untrusted import shown
from .. import host
from .bodies import text_in

Json = dict[str, Any]

_MOST = 200  # references in one question


def require_own_page(headers: Mapping[str, str]) -> None:
    """Raises BadRequest for a request that the page of another server made a browser send."""
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        is_own = site in ("same-origin", "none")
    else:
        origin = headers.get("Origin")
        is_own = origin is None or urlsplit(origin).netloc.lower() == headers.get("Host", "").lower()
    if not is_own:
        raise BadRequest("only the page of this server may ask for a download")


def jobs(query: Mapping[str, str]) -> Json:
    """→ {"jobs", "folders"}: every download, the oldest first, and where files may go."""
    folders = [str(folder) for folder in host.lora_folders()]
    return {"jobs": [job.as_json() for job in host.DOWNLOADS.jobs()], "folders": folders}


def look_up(body: Json) -> Json:
    """{"references"} → {"offers"}: for each what a site has, or the problem; asks the sites."""
    texts = body.get("references")
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts) or len(texts) > _MOST:
        raise BadRequest(f"references must be a list of at most {_MOST} texts, not {shown(texts)}")
    read = [_read(text) for text in texts]
    found = host.fetcher().look_up_all(one for one in read if not isinstance(one, RackError))
    answers = [one if isinstance(one, RackError) else found[one] for one in read]
    return {"offers": [_offer(text, answer) for text, answer in zip(texts, answers, strict=True)]}


def start(body: Json) -> Json:
    """{"reference", "folder"?} → the job, which may be under way already."""
    return host.DOWNLOADS.start(
        text_in(body, "reference"), text_in({"folder": "", **body}, "folder")
    ).as_json()


def cancel(body: Json) -> Json:
    """{"id"} → the job. What came is kept: begun again, it goes on."""
    return host.DOWNLOADS.cancel(text_in(body, "id")).as_json()


def forget(body: Json) -> Json:
    """{"id"} → the job, which has ended and is on the list no more."""
    return host.DOWNLOADS.forget(text_in(body, "id")).as_json()


GETS: dict[str, Callable[[Mapping[str, str]], Json]] = {"get/jobs": jobs}
POSTS: Mapping[str, Callable[[Json], Json]] = {
    "get/look_up": look_up,
    "get/start": start,
    "get/cancel": cancel,
    "get/forget": forget,
}


def _read(text: str) -> Reference | RackError:
    try:
        return read_reference(text)
    except RackError as error:
        return error


def _offer(asked: str, found: Offer | RackError) -> Json:
    if isinstance(found, RackError):
        return {"asked": asked, "offer": None, "problem": found.as_json()}
    offer = {
        **found.candidate.as_json(),
        "claims_it": found.claims_it,
        "others": [other.file_name for other in found.others],
    }
    return {"asked": asked, "offer": offer, "problem": None}
