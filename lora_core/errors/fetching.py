"""LoRAs that could not be got from a site."""

from __future__ import annotations

from pathlib import Path

from .base import RackError


class FetchError(RackError):
    """A LoRA could not be got from a site."""


class BadReference(FetchError):
    """What is asked for names no file of a site that is known."""

    def __init__(self, text: str, expected: str) -> None:
        self.text = text
        super().__init__(f"{text!r} names no LoRA of a site: expected {expected}")


class NotOffered(FetchError):
    """The site has no such file, or none that may be taken."""


class AccessDenied(FetchError):
    """The site wants a token. `variable` is the environment variable that can hold it."""

    def __init__(self, site: str, status: int, what: str, variable: str) -> None:
        self.site = site
        self.status = status
        super().__init__(
            f"{site} refused {what} (HTTP {status}). Log in there, accept its terms if it has any, "
            f"and set {variable} to a token of your account"
        )


class SiteError(FetchError):
    """The site did not answer, or not as documented.

    `status` is that of HTTP, 0 without an answer; `retry_after` is in seconds where the site said when.
    """

    def __init__(self, site: str, problem: str, status: int = 0, retry_after: float | None = None) -> None:
        self.site = site
        self.status = status
        self.retry_after = retry_after
        wait = f"Try again in {retry_after:.0f} s" if retry_after else "Try again later"
        super().__init__(f"{site} {problem}. {wait}")


class TransferFailed(FetchError):
    """The bytes that came are not the file that was promised."""

    def __init__(self, name: str, problem: str, remedy: str) -> None:
        self.name = name
        super().__init__(f"{name}: {problem}. {remedy}")


class CannotStore(FetchError):
    """No room, no right to write, or another file is in the place that `path` names."""

    def __init__(self, path: Path, problem: str, remedy: str) -> None:
        self.path = path
        super().__init__(f"{path}: {problem}. {remedy}")
