"""The command line of dev.py: what can be said, and which module does it."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from tools.dev.layout import Layout, this_checkout
from tools.dev.rings import RINGS, run_rings

_EPILOG = """\
Everything set-up makes lands in the git-ignored folder .rack; delete it to start anew.

environment:
  RACK_HOST=DIR      use this ComfyUI checkout instead of the embedded one
  RACK_PYTHON=PATH   use this interpreter (with torch and that checkout's requirements) instead
  RACK_CHROMIUM=PATH use this browser in the browser ring
  RACK_NO_BROWSER=1  leave the browser ring out
"""

_WHICH = "Without a name all run, side by side." + "".join(
    f" {ring.name} runs only when it is named." for ring in RINGS if ring.is_on_demand
)


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit status."""
    ours, pytest_arguments = _split(list(arguments))
    parser = _parser()
    options = parser.parse_args(ours)
    if pytest_arguments and options.command != "test":
        parser.error("arguments after -- are for pytest, so they only go with test")
    for stream in (sys.stdout, sys.stderr):
        # A terminal or pipe in another encoding must not stop a run over a character of a progress line.
        stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    # A shell has its background jobs ignore Ctrl-C, and whatever we start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP: a terminal that is closed
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _end)
    try:
        return _run(options, pytest_arguments, this_checkout())
    except KeyboardInterrupt:
        print("\nstopped", flush=True)
        return 130


def _end(number: int, frame: FrameType | None) -> None:
    # As an exception, so that every `with` block stops what it started.
    raise SystemExit(128 + number)


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in arguments:
        return arguments, []
    border = arguments.index("--")
    return arguments[:border], arguments[border + 1 :]


def _run(options: argparse.Namespace, pytest_arguments: Sequence[str], layout: Layout) -> int:
    # The imports are here so that one command's mistake cannot stop another, and `test` starts at once.
    if options.command == "test":
        return run_rings(layout, options.rings, pytest_arguments)
    if options.command == "demo":
        from tools.dev.demo import run_demo

        return run_demo(layout, options.out)
    if options.command == "serve":
        from tools.dev.serve import run_serve

        return run_serve(layout, options.port)
    if options.command == "record-host":
        from tools.dev.record_host import run_record

        return run_record(layout)
    from tools.dev.bench import run_bench

    return run_bench(layout, options.names, options.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dev.py",
        description="Try, check and measure ComfyUI-LoRA-Rack. Each command sets up what it needs first.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="make the demo pictures in the real host and measure them")
    demo.add_argument("--out", type=Path, default=Path("out/demo"), metavar="DIR", help="default: out/demo")

    serve = commands.add_parser("serve", help="the editor with the pack and the demo workflow, until Ctrl-C")
    serve.add_argument("--port", type=int, metavar="N", help="default: 8188, or a free one if that is taken")

    names = [ring.name for ring in RINGS]
    test = commands.add_parser(
        "test",
        help="every check, or the named rings",
        usage="dev.py test [RING ...] [-- PYTEST ARGUMENT ...]",
        description=f"Rings, in this order: {', '.join(names)}. {_WHICH}",
    )
    # Not `choices`: with nargs="*" argparse checks the empty list against them.
    test.add_argument("rings", nargs="*", metavar="RING", type=_ring, help=", ".join(names))

    commands.add_parser("record-host", help="write what is relied on of this ComfyUI to tests/hosts")

    bench = commands.add_parser("bench", help="measure against the host in the same run")
    bench.add_argument("names", nargs="*", metavar="NAME", help="which benchmarks; all when none is named")
    bench.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    return parser


def _ring(name: str) -> str:
    names = [ring.name for ring in RINGS]
    if name not in names:
        raise argparse.ArgumentTypeError(f"no ring {name!r}; there are {', '.join(names)}")
    return name
