"""What the page may ask the server, over HTTP: which LoRAs there are, what one is, what a text means.

Every answer is JSON but for thumbnails. An error is {"error": {"type", "message", …}} with status 400. Only
files the host lists are read, under the very names it lists: no path from a request reaches the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, TypeVar

from aiohttp import web
from server import PromptServer

from ..lora_core.errors import BadStackText, MissingLora, RackError, UnresolvedLora
from ..lora_core.grammar import parse, write
from ..lora_core.stack import Entry, Stack
from . import host, pictures, rows
from .catalog import Catalog

Json = dict[str, Any]
T = TypeVar("T")

MAX_TEXT_BYTES = 4 * 2**20
MAX_FILE_BYTES = 64 * 2**20
_LONG_TIME = "private, max-age=31536000, immutable"  # the address of a thumbnail holds its version

CATALOG = Catalog()


def register() -> None:
    """Add the routes to the host's server; without one, as in a test of the nodes alone, do nothing."""
    server = getattr(PromptServer, "instance", None)
    if server is None:
        return
    for method, path, handler in (
        ("GET", "loras", _loras),
        ("GET", "info", _info),
        ("GET", "thumbnail", _thumbnail),
        ("POST", "parse", _parse),
        ("POST", "write", _write),
        ("POST", "stack_in_file", _stack_in_file),
    ):
        server.routes.route(method, f"/lora_rack/{path}")(_typed_errors(handler))


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _typed_errors(handler: Handler) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except RackError as error:
            return web.json_response({"error": describe(error)}, status=400)

    return answer


def describe(error: RackError) -> Json:
    """An error as the page gets it: its class, its text, and the facts its class holds."""
    described: Json = {"type": type(error).__name__, "message": str(error)}
    if isinstance(error, BadStackText):
        described |= {"line": error.line, "column": error.column}
    if isinstance(error, UnresolvedLora):
        described |= {"name": error.name, "candidates": list(error.candidates)}
    return described


async def _apart(work: Callable[[], T]) -> T:
    """Run what blocks in a thread, so that the server goes on answering."""
    return await asyncio.get_running_loop().run_in_executor(None, work)


async def _loras(request: web.Request) -> web.StreamResponse:
    """?query=&offset=&limit= → {"total", "offset", "cards": […]}."""
    query = request.query.get("query", "")
    offset, limit = _count(request, "offset", 0), _count(request, "limit", 60)
    return web.json_response(asdict(await _apart(lambda: CATALOG.page(query, offset, limit))))


async def _info(request: web.Request) -> web.StreamResponse:
    """?name= → the card, and all the file says about itself as "metadata"."""

    def read() -> Json:
        name = host.resolve_name(_name(request))
        card = CATALOG.card(name)
        path = host.listed_path(name)
        if card is None or path is None:
            raise MissingLora(name, ())
        return {**asdict(card), "metadata": {} if card.problem else dict(host.metadata_of(path))}

    return web.json_response(await _apart(read))


async def _thumbnail(request: web.Request) -> web.StreamResponse:
    """?name=&v= → the preview beside the file, small, as WebP; 404 when there is none."""
    name = _name(request)
    preview = await _apart(lambda: CATALOG.preview(name))
    if preview is None:
        return web.Response(status=404)
    small = await _apart(lambda: CATALOG.previews.thumbnail(preview))
    headers = {"Cache-Control": _LONG_TIME, "X-Content-Type-Options": "nosniff"}
    return web.Response(body=small.data, content_type="image/webp", headers=headers)


async def _parse(request: web.Request) -> web.StreamResponse:
    """{"text", "anywhere"?} → {"rows", "files"}; `anywhere` reads the tags of a prompt and nothing else."""
    body = await _body(request)
    text = body.get("text")
    if not isinstance(text, str):
        raise RackError('the request must hold a "text"')
    read = pictures.tags_in if body.get("anywhere") else parse
    return web.json_response(await _apart(lambda: _read_rows(read(text))))


async def _write(request: web.Request) -> web.StreamResponse:
    """{"rows"} → {"rows", "text", "files"}: the rows again, each with its text, and the whole text."""
    body = await _body(request)

    def written() -> Json:
        stack = rows.from_json(body.get("rows"))
        try:
            return {"text": write(stack), **_read_rows(stack)}
        except ValueError as error:  # a name that no tag can hold
            raise RackError(str(error)) from None

    return web.json_response(await _apart(written))


async def _stack_in_file(request: web.Request) -> web.StreamResponse:
    """A picture or a workflow as the body → {"rows", "files"}: the LoRAs it was made with."""
    data = await _bytes(request, MAX_FILE_BYTES)
    return web.json_response(await _apart(lambda: _read_rows(pictures.stack_in_file(data))))


def _read_rows(stack: Stack) -> Json:
    files = {row.name: _file(row) for row in stack.rows if isinstance(row, Entry)}
    return {"rows": rows.to_json(stack), "files": files}


def _file(entry: Entry) -> Json:
    """Which file a row means: its card, or why there is none."""
    try:
        card = CATALOG.card(entry.name) or CATALOG.card(host.resolve_name(entry.name))
    except RackError as error:
        return {"card": None, "problem": describe(error)}
    return {"card": asdict(card) if card else None, "problem": None}


def _name(request: web.Request) -> str:
    name = request.query.get("name")
    if not name:
        raise RackError('the request must hold a "name"')
    return name


def _count(request: web.Request, field: str, default: int) -> int:
    value = request.query.get(field, str(default))
    if not value.isdecimal() or len(value) > 9:
        raise RackError(f"{field} must be a whole number, not {value!r}")
    return int(value)


async def _body(request: web.Request) -> Json:
    if request.content_type != "application/json":  # a page of another origin can send only other types
        raise RackError("the request must be JSON")
    await _bytes(request, MAX_TEXT_BYTES)
    try:
        body = await request.json()
    except ValueError as error:
        raise RackError(f"the request is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise RackError("the request must be a JSON object")
    return body


async def _bytes(request: web.Request, limit: int) -> bytes:
    if (request.content_length or 0) > limit:
        raise RackError(f"the request is larger than {limit} bytes")
    return await request.read()
