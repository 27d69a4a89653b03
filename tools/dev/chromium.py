"""The browser of the browser ring: one that is installed, or Debian's, installed by apt-get.

Playwright drives it; the browsers Playwright would download are not used.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tools.dev.layout import Layout
from tools.dev.steps import CommandFailed, ProgressLine, StepFailed, run_logged

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_ADVICE = (
    "Install Chromium or Chrome (Debian and Ubuntu: sudo apt-get install chromium), or name one by "
    "RACK_CHROMIUM=PATH. RACK_NO_BROWSER=1 leaves the browser ring out and counts it as skipped."
)


def is_left_out() -> bool:
    """Whether the person at this machine does without the browser ring."""
    return os.environ.get("RACK_NO_BROWSER") == "1"


def chromium(layout: Layout) -> Path:
    """A Chromium to drive, installed now if that is possible. Raises StepFailed with what is missing."""
    chosen = os.environ.get("RACK_CHROMIUM")
    if chosen:
        if not Path(chosen).is_file():
            raise StepFailed(f"RACK_CHROMIUM={chosen}: no such file", _ADVICE)
        return Path(chosen)
    return _installed() or _install(layout)


def _installed() -> Path | None:
    found = filter(None, map(shutil.which, NAMES))
    return next(map(Path, found), None)


def _install(layout: Layout) -> Path:
    apt = shutil.which("apt-get")
    if apt is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        why = "there is no apt-get" if apt is None else "only root may install it"
        raise StepFailed(f"no browser named {', '.join(NAMES)} is on PATH, and {why}", _ADVICE)
    log = layout.logs / "chromium.log"
    log.unlink(missing_ok=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # The second font is for texts in Chinese.
    packages = ["chromium", "fonts-dejavu-core", "fonts-noto-cjk"]
    install = [apt, "install", "-y", "--no-install-recommends", *packages]
    with ProgressLine("chromium") as line:
        for command in ([apt, "update"], install):
            try:
                run_logged(command, log, line, env=quiet)
            except CommandFailed as failure:
                raise failure.as_step_failed(" ".join(command), _ADVICE) from failure
    found = _installed()
    if found is None:
        raise StepFailed("apt-get installed chromium, yet no chromium is on PATH", _ADVICE, log)
    return found
