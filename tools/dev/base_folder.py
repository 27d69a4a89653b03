"""The folder the host works in: models, input, output, user, and custom_nodes with the pack linked in."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from tools.dev.interpreters import clean_environment
from tools.dev.layout import PACK, Layout
from tools.dev.stamps import digest, is_stamped, write_stamp, write_whole
from tools.dev.steps import CommandFailed, ProgressLine, Step, run_logged

FOLDERS = (
    *(f"models/{kind}" for kind in ("checkpoints", "loras", "text_encoders", "vae", "embeddings")),
    *("custom_nodes", "input", "output", "temp", "user/default/workflows"),
)
TEXT_ENCODER = "rack_demo_clip.safetensors"
TEXT_ENCODER_MODULE = "tools.demo_model.text_encoder"
DEMO_WORKFLOW = "lora_rack_demo.json"

# Never part of a copied pack (the last resort where the pack cannot be linked).
_NOT_THE_PACK = shutil.ignore_patterns(".git", ".rack", "out", "__pycache__", ".*_cache", "node_modules")


def base_step(layout: Layout) -> Step:
    """Folders, the pack's link, the demo models and the demo workflow."""
    return Step(
        "base folder",
        is_done=lambda: _is_ready(layout),
        build=lambda line: _prepare(layout),
    )


def prepare_base(base: Path, layout: Layout) -> Path:
    """Make `base` a folder the host can work in, with the pack and the demo models; repeats cheaply."""
    make_folders(base)
    link_folder(base / "custom_nodes" / PACK, layout.root)
    copy_models(layout.demo / "models", base / "models")
    return base


def _prepare(layout: Layout) -> None:
    prepare_base(layout.base, layout)
    copy_workflow(layout)


def _is_ready(layout: Layout) -> bool:
    base = layout.base
    return (
        all((base / folder).is_dir() for folder in FOLDERS)
        and _is_linked(base / "custom_nodes" / PACK, layout.root)
        and not _stale_models(layout.demo / "models", base / "models")
        and _workflow_is_current(layout)
    )


def make_folders(base: Path) -> None:
    for folder in FOLDERS:
        (base / folder).mkdir(parents=True, exist_ok=True)


def link_folder(link: Path, root: Path) -> None:
    """Make `link` show the checkout: a symbolic link, else a junction, else a fresh copy."""
    if _is_linked(link, root):
        return
    _remove_link(link)
    link.parent.mkdir(parents=True, exist_ok=True)
    try:
        link.symlink_to(root, target_is_directory=True)
    except OSError:
        if not _make_junction(link, root):
            shutil.copytree(root, link, ignore=_NOT_THE_PACK)


def _is_linked(link: Path, root: Path) -> bool:
    # realpath follows junctions too; a copy is its own realpath, so it counts as stale on every run.
    return link.exists() and os.path.realpath(link) == os.path.realpath(root)


def _remove_link(link: Path) -> None:
    """Remove a link, a junction or a copy; what a link or a junction points to is never touched."""
    if link.is_symlink():
        link.unlink()
    elif os.path.realpath(link) != os.path.abspath(link) and link.exists():
        link.rmdir()
    elif link.exists():
        shutil.rmtree(link)


def _make_junction(link: Path, root: Path) -> bool:
    if sys.platform != "win32":
        return False
    import _winapi

    try:
        _winapi.CreateJunction(str(root), str(link))
    except OSError:
        return False
    return True


def copy_models(source: Path, target: Path) -> None:
    """Copy changed demo models; remove those that an earlier copy brought and the source has no more."""
    for name in _stale_models(source, target):
        old, new = source / name, target / name
        if not old.is_file():
            new.unlink(missing_ok=True)
            continue
        new.parent.mkdir(parents=True, exist_ok=True)
        partial = new.with_name(new.name + ".partial")
        shutil.copy2(old, partial)
        partial.replace(new)
    write_whole(target / ".demo-models.json", json.dumps(sorted(_models(source)), indent=1) + "\n")


def _models(source: Path) -> list[str]:
    return [path.relative_to(source).as_posix() for path in source.rglob("*.safetensors")]


def _stale_models(source: Path, target: Path) -> list[str]:
    try:
        brought = json.loads((target / ".demo-models.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        brought = []
    names = _models(source)
    gone = [name for name in brought if name not in names]
    return gone + [name for name in names if _signature(source / name) != _signature(target / name)]


def _signature(path: Path) -> tuple[int, int] | None:
    """Size and time to the millisecond, which every file system keeps; None when there is no such file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns // 1_000_000


def _workflow(layout: Layout) -> tuple[Path, Path]:
    source = layout.root / "example_workflows" / DEMO_WORKFLOW
    return source, layout.base / "user" / "default" / "workflows" / DEMO_WORKFLOW


def _workflow_digest(source: Path) -> str:
    return digest(source.read_bytes())


def _workflow_is_current(layout: Layout) -> bool:
    source, target = _workflow(layout)
    return not source.exists() or (target.exists() and is_stamped(layout.base, _workflow_digest(source)))


def copy_workflow(layout: Layout) -> None:
    """Put the demo workflow into the host's workflow list when it is new; edits stay until then."""
    source, target = _workflow(layout)
    if _workflow_is_current(layout):
        return
    shutil.copyfile(source, target)
    write_stamp(layout.base, _workflow_digest(source), workflow=DEMO_WORKFLOW)


def text_encoder_step(layout: Layout, python: Path) -> Step:
    """The demo's text encoder: a large file of generated numbers, made here rather than shipped."""
    generator = layout.root.joinpath(*TEXT_ENCODER_MODULE.split(".")).with_suffix(".py")
    target = layout.base / "models" / "text_encoders" / TEXT_ENCODER
    mark = layout.rack / "text-encoder"

    def inputs() -> str:
        return digest(generator.read_bytes())

    def build(line: ProgressLine) -> None:
        log = layout.logs / "text-encoder.log"
        log.unlink(missing_ok=True)
        mark.mkdir(exist_ok=True)
        try:
            command: list[str | Path] = [python, "-m", TEXT_ENCODER_MODULE, target]
            run_logged(command, log, line, cwd=layout.root, env=clean_environment())
        except CommandFailed as failure:
            raise failure.as_step_failed("generating the text encoder", "See the log.") from failure
        write_stamp(mark, inputs())

    return Step(
        "demo text encoder",
        is_done=lambda: target.is_file() and is_stamped(mark, inputs()),
        build=build,
    )
