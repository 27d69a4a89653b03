"""Every error this package raises on purpose, in one tree.

    RackError
    ├── FileError              a file that cannot be used: names the file, the key, the way out
    │   ├── BrokenFile         not readable as what it claims to be (truncated, bad header, bad tensor)
    │   ├── NotALora           readable, but not a LoRA (a checkpoint, an embedding, a pickle, nothing inside)
    │   └── NotAModel          readable, but without the model or text encoder that was asked for
    ├── BadJson                a text from outside that is no JSON, or is beyond what is read of one
    ├── BadPicture             what is given as a picture is none, or is larger than any that is decoded
    ├── BadText                line, column, what was found and what was expected
    │   ├── BadStackText       the text of a stack
    │   └── BadSweepText       the values or the axes of a sweep
    ├── BadRow                 a row no stack or no tag can hold: its name, strengths, window, hash or remark
    ├── SweepMismatch          a sweep and a latent, picture or model that do not belong together
    ├── BadBlockText           block weights: which text, the place in it, what was found, what was expected
    ├── UnresolvedLora         a name or hash that does not mean exactly one file
    │   ├── MissingLora        no such file; the nearest names, where to get it
    │   ├── GoneLora           it is listed, and its file is not there any more
    │   ├── AmbiguousLora      several such files; all of them
    │   ├── OtherContent       a file of that name, but not of the hash beside it
    │   └── BadHash            no hash any tool gives a file
    ├── SearchUnfinished       the answer takes more reading than the caller allowed
    ├── BadMode                a mode of applying a stack that cannot do what its entries ask
    ├── WorkflowError          a workflow to convert: what is wrong with it, and where
    │   ├── BadWorkflow        the file holds no graph of ComfyUI's
    │   └── NotConvertible     a node says something that has no counterpart here
    ├── FetchError             a LoRA that could not be got from a site
    │   ├── BadReference       what is asked for names no file of a site that is known
    │   ├── NotOffered         the site has no such file, or none that may be taken
    │   ├── AccessDenied       the site wants a token, or another one
    │   ├── SiteError          the site did not answer, or not as its documentation says
    │   ├── TransferFailed     the bytes that came are not the file that was promised
    │   └── CannotStore        no room, no right to write, or another file is in the place
    ├── CannotSave             a stack that no LoRA file can hold, or not the one asked for
    └── FitError               a LoRA that does not belong on this model
        ├── OtherFamily        it was made for another family of models, and does not fit this one
        ├── NothingMatches     not one of its layers is in the model
        ├── ShapeMismatch      a layer is there, with another shape
        ├── NotLive            weights that cannot be changed in the forward pass where that was asked for
        └── NotSweepable       a layer in which pictures of different strengths cannot be told apart

Messages say what is wrong, where, what was found, and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_LONGEST = 300  # letters of a key, a name or a text from outside that an error shows
_LONGEST_HINT = 2_000  # letters of what was expected, which may list names


class RackError(Exception):
    """Base of all errors of this package. Its text is meant for the person at the graph."""


class FileError(RackError):
    """A file that cannot be used."""

    def __init__(self, path: Path | str, problem: str, remedy: str, key: str | None = None) -> None:
        self.path = Path(path)
        self.key = key
        self.problem = problem
        self.remedy = remedy
        where = f"{self.path}, key {_short(key)!r}" if key is not None else str(self.path)
        super().__init__(f"{where}: {problem}. {remedy}")


def _short(text: str, most: int = _LONGEST) -> str:
    """The beginning of what comes from outside, which may be as long as a file."""
    return text if len(text) <= most else f"{text[:most]}…"


class BrokenFile(FileError):
    """The file is damaged or is not the format its name claims."""


class NotALora(FileError):
    """The file is sound but holds no LoRA."""


class NotAModel(FileError):
    """The file is sound but holds no model, or no text encoder, where one was named."""


class BadJson(RackError):
    """What is given as JSON is none, or is larger or deeper than any that is read.

    `problem` is a predicate ("is not JSON (…)") for who knows what the text is; `key` is one it has twice.
    """

    def __init__(self, problem: str, key: str | None = None) -> None:
        self.problem = problem
        self.key = key
        super().__init__(f"the text {problem}")


class BadPicture(RackError):
    """What is given as a picture is none, or is larger than any that is decoded."""


class BadText(RackError):
    """A text a person wrote that cannot be read. Line and column count from 1."""

    def __init__(self, line: int, column: int, found: str, expected: str) -> None:
        self.line = line
        self.column = column
        found, expected = _short(found), _short(expected, _LONGEST_HINT)
        self.found = found
        self.expected = expected
        super().__init__(f"line {line}, column {column}: found {found}, expected {expected}")


class BadStackText(BadText):
    """The text of a stack does not follow the grammar."""


class BadSweepText(BadText):
    """The values or the axes of a sweep cannot be read."""


class BadRow(RackError, ValueError):
    """A row that no stack can have, or that no tag can say."""


class SweepMismatch(RackError):
    """A sweep meets a latent, pictures or a model that are not its own."""


class BadBlockText(RackError):
    """Block weights that cannot be read, or that mean nothing in a model.

    `which` is the text ("blocks" or "elements"), `position` the offset of the place in it, counted from 0.
    `entry` names the LoRA where it is one of several.
    """

    def __init__(self, which: str, position: int, found: str, expected: str, entry: str = "") -> None:
        self.which = which
        self.position = position
        found, expected = _short(found), _short(expected, _LONGEST_HINT)
        self.found = found
        self.expected = expected
        name = "block weights" if which == "blocks" else "element weights"
        whose = f"{entry}: " if entry else ""
        super().__init__(f"{whose}{name}, character {position + 1}: found {found}, expected {expected}")

    def of(self, entry: str) -> BadBlockText:
        """The same error with the name of the LoRA whose weights they are."""
        return BadBlockText(self.which, self.position, self.found, self.expected, entry)


class UnresolvedLora(RackError):
    """A name or a hash that does not mean exactly one file."""

    def __init__(self, name: str, candidates: Sequence[str], message: str) -> None:
        self.name = _short(str(name), _LONGEST_HINT)
        self.candidates = tuple(candidates)
        super().__init__(message)

    def in_row(self, row: int) -> UnresolvedLora:
        """This error, its message begun with the row of a stack (from 1) that has the name."""
        self.args = (f"row {row}: {self}",)
        return self


class MissingLora(UnresolvedLora):
    """No such file. `candidates` are the nearest names there are, None where nobody looked for them; `page`
    tells where to get it, if known.
    """

    def __init__(self, name: str, candidates: Sequence[str] | None, hash: str = "", page: str = "") -> None:
        self.hash = hash
        self.page = page
        if candidates is None:
            hint = "Names near it are not looked for where so many are missing; mend those before it first"
        elif candidates:
            hint = f"Nearest names: {', '.join(candidates)}"
        else:
            hint = "No name is similar; put the file into a loras folder and refresh"
        shown = repr(_short(name))
        wanted = f"{shown}, and no file has the hash {hash}" if hash else shown
        source = f". It comes from {page}" if page else ""
        super().__init__(name, candidates or (), f"no LoRA is called {wanted}. {hint}{source}")


class GoneLora(UnresolvedLora):
    """A file ComfyUI lists that is not there: a broken link, or a folder that was taken away."""

    def __init__(self, name: str) -> None:
        super().__init__(
            name, (), f"{name!r} is listed, and its file is gone. Mend its link or folder, or press refresh"
        )


class AmbiguousLora(UnresolvedLora):
    """Several such files. `candidates` are all of them."""

    def __init__(self, name: str, candidates: Sequence[str], hash: str = "") -> None:
        self.hash = hash
        listed = ", ".join(candidates)
        wanted = f"{_short(name)!r} with the hash {hash}" if hash else repr(_short(name))
        super().__init__(name, candidates, f"{wanted} could be any of: {listed}. Write one of these instead")


class OtherContent(UnresolvedLora):
    """A file of that name is here, but it is not the one of the hash, and no other file is."""

    def __init__(self, name: str, candidates: Sequence[str], hash: str, found: str, page: str = "") -> None:
        self.hash = hash
        source = f" ({page})" if page else ""
        shown = repr(_short(name))
        super().__init__(
            name,
            candidates,
            f"no file has the hash {hash}. {', '.join(candidates)} has the name {shown} but other content "
            f"(AutoV2 {found}). Get the file of that hash{source}, or remove the hash to use this file",
        )


class BadHash(UnresolvedLora):
    """What is given as a hash is none."""

    def __init__(self, hash: str, problem: str) -> None:
        self.hash = hash
        told = f"{_short(hash)!r} is not a hash of a LoRA: {problem}"
        super().__init__("", (), f"{told}. Remove the hash to find the file by its name")


class SearchUnfinished(RackError):
    """Whether a LoRA is here takes more reading than the caller allowed. Nothing is wrong."""


class BadMode(RackError):
    """A mode of applying a stack that cannot do what its entries ask."""


class WorkflowError(RackError):
    """A workflow that cannot be converted as it is."""


class BadWorkflow(WorkflowError):
    """The file holds no graph of ComfyUI's."""


class NotConvertible(WorkflowError):
    """A node of a workflow says something that has no counterpart here."""


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


class CannotSave(RackError):
    """A stack that no LoRA file can hold, or not in the form asked for."""


class FitError(RackError):
    """A LoRA that does not belong on the connected model."""


class OtherFamily(FitError):
    """The LoRA was made for another family of models, and not all of it fits this one."""


class NothingMatches(FitError):
    """Not one layer the LoRA names is in the model or the text encoder."""


class ShapeMismatch(FitError):
    """A layer the LoRA names is in the model, with another shape."""


class NotLive(FitError):
    """Weights that cannot be changed in the forward pass. `keys` are all of them."""

    def __init__(self, keys: Sequence[str], message: str) -> None:
        self.keys = tuple(keys)
        super().__init__(message)


class NotSweepable(FitError):
    """A layer in which the pictures of one batch cannot have strengths of their own."""

    def __init__(self, layer: str, problem: str) -> None:
        self.layer = layer
        super().__init__(f"{layer} {problem}. Render these strengths one at a time")
