"""get: bring LoRAs from Civitai and Hugging Face, by hash, number, page or repository."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BadReference, FetchError, RackError, UnresolvedLora, WrongUse
from ..fetching import (
    Answers,
    ByHash,
    Fetched,
    Fetcher,
    Offer,
    Reference,
    clean_parts,
    known_sites,
    read_reference,
)
from ..grammar import parse
from ..library import Index, Library
from .output import ProgressBar, add_json_option, print_json, read_size, size_text
from .stacks import lora_files

_DESCRIPTION = (
    "Get LoRAs from Civitai and Hugging Face. REF is hash=…, civitai:MODEL[@VERSION], a page of either "
    "site, hf:OWNER/REPO[/FILE][@REVISION], or tags: those that --to does not hold are got. The command "
    "says what a file is, and under which licence, before the file comes. Tokens come from "
    "CIVITAI_API_TOKEN and HF_TOKEN."
)


@dataclass(frozen=True)
class _Outcome:
    """What became of one thing that was asked for."""

    asked: str
    offer: Offer | None = None
    fetched: Fetched | None = None
    error: RackError | None = None

    def as_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"asked": self.asked, "path": None, "error": None}
        if self.offer is not None:
            shown |= self.offer.candidate.as_json()
        if self.fetched is not None:
            got = self.fetched.got
            shown |= {
                "path": str(got.path),
                "size": got.size,
                "sha256": got.sha256,
                "was_here": got.was_here,
                "verified": got.is_verified,
                "problems": list(self.fetched.problems),
            }
        if self.error is not None:
            shown |= {"error": str(self.error), "kind": type(self.error).__name__}
        return shown


def add_to(commands: Any) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "get", help="get LoRAs from Civitai and Hugging Face", description=_DESCRIPTION
    )
    parser.add_argument("references", nargs="+", metavar="REF", help="what to get; several are fine")
    parser.add_argument(
        "--to", type=Path, default=Path(), metavar="FOLDER", help="a loras folder; this one when left out"
    )
    parser.add_argument(
        "--max", type=read_size, default=read_size("4GiB"), metavar="SIZE", help="take no larger file (4GiB)"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would come, and stop")
    parser.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        help="show the bar on stderr (default: in a terminal)",
    )
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Look everything up, say what it is, bring it."""
    folder: Path = options.to
    if not folder.is_dir():
        raise WrongUse(f"{folder}: is not a folder. Name a loras folder with --to")
    wanted, outcomes = _wanted(options.references, folder)
    clean_parts(folder)
    fetcher = Fetcher(known_sites(None), Answers(None))
    offers = fetcher.look_up_all(wanted.values())
    for asked, reference in wanted.items():
        offer = offers[reference]
        if isinstance(offer, FetchError):
            outcomes.append(_Outcome(asked, error=offer))
            continue
        print(_shown(offer), file=sys.stderr)
        outcomes.append(_Outcome(asked, offer) if options.dry_run else _fetch(fetcher, asked, offer, options))
    _report(outcomes, options.json)
    failed = sum(outcome.error is not None for outcome in outcomes)
    return 0 if not failed else 1 if failed < len(outcomes) else 2


def _wanted(texts: Iterable[str], folder: Path) -> tuple[dict[str, Reference], list[_Outcome]]:
    """References by what was asked for, and what cannot be looked up. Raises BadReference, BadStackText."""
    wanted: dict[str, Reference] = {}
    outcomes: list[_Outcome] = []
    for text in texts:
        if not text.lstrip().startswith(("<", "#")):
            wanted[text] = read_reference(text)
            continue
        library = Library(lora_files(folder), folder.joinpath, Index(None))
        for entry in parse(text).active:
            try:
                library.find(entry.name, entry.hash)
            except UnresolvedLora as missing:
                if entry.hash:
                    wanted[entry.name] = ByHash(entry.hash)
                else:
                    no_hash = BadReference(
                        entry.name, "a tag with hash=…, as only a content can be looked up"
                    )
                    outcomes.append(_Outcome(entry.name, error=missing if missing.candidates else no_hash))
    return wanted, outcomes


def _fetch(fetcher: Fetcher, asked: str, offer: Offer, options: argparse.Namespace) -> _Outcome:
    try:
        with ProgressBar(options.progress, sys.stderr, has_speed=True) as progress:
            fetched = fetcher.fetch(offer, options.to, progress, options.max)
    except FetchError as error:
        return _Outcome(asked, offer, error=error)
    return _Outcome(asked, offer, fetched)


def _shown(offer: Offer) -> str:
    """What a person should know before the file comes."""
    found = offer.candidate
    size = size_text(found.size) if found.size is not None else "size not stated"
    made_for = found.family or found.base_model or "family not stated"
    lines = [f"{found.safe_name}: {size}, {made_for}, from {found.page or found.site}"]
    lines += [f"  licence: {found.licence}"]
    if found.trigger_words:
        lines += [f"  trigger words: {', '.join(found.trigger_words)}"]
    if offer.claims_it is False:
        lines += ["  the site does not say that it has the hash asked for"]
    if offer.others:
        lines += [f"  others there: {', '.join(other.file_name for other in offer.others)}"]
    return "\n".join(lines)


def _report(outcomes: Iterable[_Outcome], as_json: bool) -> None:
    if as_json:
        print_json([outcome.as_json() for outcome in outcomes])
        return
    for outcome in outcomes:
        if outcome.error is not None:
            print(f"error: {outcome.asked}: {outcome.error}", file=sys.stderr)
        elif outcome.fetched is not None:
            print(_line(outcome.fetched))
            for problem in outcome.fetched.problems:
                print(f"note: {problem}", file=sys.stderr)


def _line(fetched: Fetched) -> str:
    got = fetched.got
    if got.was_here:
        return f"{got.path}: was here already, with the same content"
    checked = (
        "its SHA256 is the one promised" if got.is_verified else "the site names no SHA256 to compare with"
    )
    return f"{got.path}: {size_text(got.size)}, {checked}"
