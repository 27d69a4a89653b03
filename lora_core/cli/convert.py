"""convert: a workflow made with other LoRA nodes, rewritten with ours."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..convert import convert
from ..errors import BadJson, BadWorkflow
from ..reading import refuse_existing, replacing
from ..untrusted import MAX_WORKFLOW_BYTES, read_json, read_text
from .output import add_json_option, print_json


def add_to(commands: Any) -> None:
    """Declare the command and its options."""
    parser = commands.add_parser(
        "convert",
        help="rewrite a workflow with these nodes",
        description="Rewrite a workflow made with other LoRA nodes, in the editor's or the API's format. "
        "Nodes without a counterpart stay, and the report lists them.",
    )
    parser.add_argument("workflow", type=Path, metavar="WORKFLOW", help="a .json file")
    parser.add_argument("-o", "--output", type=Path, metavar="OUT", help="default: WORKFLOW.rack.json")
    parser.add_argument("--force", action="store_true", help="replace an existing file")
    add_json_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the new workflow and say what became of the nodes; 1 when some were left as they are."""
    source: Path = options.workflow
    output: Path = options.output or source.with_name(f"{source.stem}.rack.json")
    refuse_existing(output, options.force)
    conversion = convert(_read(source))
    if conversion.done:
        data = (json.dumps(conversion.workflow, ensure_ascii=False, indent=2) + "\n").encode()
        with replacing(output, len(data), options.force) as file:
            file.write(data)
    if options.json:
        written = str(output) if conversion.done else None
        print_json({"output": written, **conversion.as_json()})
    else:
        print(conversion.describe())
        if conversion.done:
            print(f"written to {output}")
    return 1 if conversion.left else 0


def _read(path: Path) -> Any:
    try:
        return read_json(read_text(path, MAX_WORKFLOW_BYTES), MAX_WORKFLOW_BYTES, lenient=True)
    except OSError as error:
        raise BadWorkflow(
            f"{path}: cannot be read ({error.strerror}). Name a workflow's .json file"
        ) from None
    except BadJson as error:
        raise BadWorkflow(f"{path}: {error.problem}. Save the workflow from ComfyUI again") from None
