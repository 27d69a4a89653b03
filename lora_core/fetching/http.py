"""Questions to a site over HTTP: bounded answers, typed errors, a token for its own host alone."""

from __future__ import annotations

import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

from ..errors import AccessDenied, BadJson, NotOffered, SiteError
from ..untrusted import read_json

_TIMEOUT_S = 30.0
_MAX_ANSWER = 2**24
_MAX_WAIT_S = 60.0  # longer than this is the person's to wait, not the program's
_TRIES = 3
_AGENT = "ComfyUI-LoRA-Rack"


@dataclass(frozen=True)
class Client:
    """Asks one site. `token` goes to `host` alone, never on to where the site sends us.

    `variable` is the environment variable a token can be given in, for messages.
    """

    site: str
    base: str
    variable: str
    token: str = field(default="", repr=False)
    wait: Callable[[float], None] = time.sleep

    def json(self, path: str) -> Any:
        """The answer to a question of the site's API. Raises NotOffered, AccessDenied or SiteError."""
        with self.open(self.base + path) as answer:
            try:
                raw = answer.read(_MAX_ANSWER + 1)
            except (OSError, HTTPException) as error:
                raise SiteError(self.site, f"broke off its answer ({_reason(error)})") from None
        if len(raw) > _MAX_ANSWER:
            raise SiteError(self.site, f"answered with more than {_MAX_ANSWER // 2**20} MiB")
        try:
            return read_json(raw, _MAX_ANSWER)
        except BadJson:
            raise SiteError(self.site, "answered with something that is not JSON") from None

    def open(self, url: str, start: int = 0) -> HTTPResponse:
        """The bytes of `url` from `start` on, where the server can do that: look at the status.

        Waits and asks again when the site is busy. Raises NotOffered, AccessDenied or SiteError.
        """
        for attempt in range(1, _TRIES + 1):
            try:
                return self._ask(url, start)
            except SiteError as busy:
                if busy.retry_after is None or busy.retry_after > _MAX_WAIT_S or attempt == _TRIES:
                    raise
                self.wait(busy.retry_after)
        raise AssertionError("unreachable")

    def _ask(self, url: str, start: int) -> HTTPResponse:
        headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        request = urllib.request.Request(url, headers=headers)
        if self.token and _place(url) == _place(self.base):
            # "Unredirected": urllib leaves such a header out when it follows a redirect.
            request.add_unredirected_header("Authorization", f"Bearer {self.token}")
        try:
            answer: HTTPResponse = _opener().open(request, timeout=_TIMEOUT_S)
            return answer
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(url, error.code, error.headers) from None
        except (OSError, HTTPException, ValueError) as error:
            raise SiteError(self.site, f"cannot be reached ({_reason(error)})") from None

    def _refused(self, url: str, status: int, headers: Message) -> Exception:
        what = urlsplit(url).path
        if status in (401, 403):
            return AccessDenied(self.site, status, what, self.variable)
        if status in (404, 410):
            return NotOffered(f"{self.site} has no {what}")
        if status in (429, 503):
            return SiteError(self.site, f"is busy (HTTP {status})", status, _retry_after(headers))
        return SiteError(self.site, f"answered {what} with HTTP {status}", status)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects, to http and https only and never from https to http."""

    max_redirections = 5

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        old, new = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if new not in ("http", "https") or (old == "https" and new == "http"):
            raise urllib.error.URLError(f"sent us to {new}, which this command does not follow")
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        token = req.unredirected_hdrs.get("Authorization")
        if following is not None and token and _place(newurl) == _place(req.full_url):
            following.add_unredirected_header("Authorization", token)
        return following


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_Redirects)


def _place(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


def _retry_after(headers: Message) -> float | None:
    """Seconds to wait, from a number or a date."""
    text = (headers.get("Retry-After") or "").strip()
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time()) if text else None
    except (ValueError, TypeError, OverflowError):
        return None


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, TimeoutError | socket.timeout):
        return "it took too long"
    return getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
