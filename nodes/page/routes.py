"""What the page may ask the server, over HTTP: which LoRAs there are, what one is, what a text means.

Every answer is JSON but for thumbnails. An error is {"error": {"type", "message", …}} with status 400. Only
files the host lists are read, under the very names it lists: no path from a request reaches the disk.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from aiohttp import ClientError, web
from server import PromptServer

from ...lora_core.errors import BadJson, BadRequest, MissingLora, RackError
from ...lora_core.grammar import parse, read_prompt
from ...lora_core.infotext import build, read_infotext
from ...lora_core.made_with import rows_in_file
from ...lora_core.stack import Entry, NamedRack, Row
from ...lora_core.untrusted import MAX_WORKFLOW_BYTES, read_json, shown
from ...lora_core.version import VERSION
from .. import host
from . import equaliser, get_routes, rack_routes, row_json
from .catalog import Card, Catalog
from .convert_routes import converted
from .late_modules import send_as_script
from .previews import thumbnail
from .prompt_tags import read_tags, without_tags

Json = dict[str, Any]
T = TypeVar("T")

MAX_TEXT_BYTES = 4 * 2**20
MAX_FILE_BYTES = 64 * 2**20
_LONG_TIME = "private, max-age=31536000, immutable"  # the address of a thumbnail holds its version

CATALOG = Catalog()


def register() -> None:
    """Add the routes to the host's server, and the place for what pictures say; go on with what was being
    downloaded. Without a server do nothing.
    """
    server = getattr(PromptServer, "instance", None)
    if server is None:
        return
    for method, path, handler in (
        ("GET", "about", _about),
        ("GET", "loras", _loras),
        ("GET", "info", _info),
        ("GET", "thumbnail", _thumbnail),
        ("POST", "parse", _parse),
        ("POST", "files", _files),
        ("POST", "write", _write),
        ("POST", "tags", _tags),
        ("POST", "untag", _untag),
        ("POST", "stack_in_file", _stack_in_file),
        ("GET", "energy", _energy),
        ("POST", "blocks", _blocks),
        ("POST", "convert", _convert),
        ("POST", "infotext", _infotext),
    ):
        server.routes.route(method, f"/lora_rack/{path}")(_typed_errors(handler))
    for path, asked in (rack_routes.GETS | get_routes.GETS).items():
        server.routes.get(f"/lora_rack/{path}")(_typed_errors(_of_query(asked)))
    for path, told in rack_routes.POSTS.items():
        server.routes.post(f"/lora_rack/{path}")(_typed_errors(_of_body(told)))
    for path, told in get_routes.POSTS.items():
        server.routes.post(f"/lora_rack/{path}")(_typed_errors(_of_own_page(_of_body(told))))
    server.add_on_prompt_handler(host.on_prompt)
    host.DOWNLOADS.resume()
    server.app.on_response_prepare.append(send_as_script)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _typed_errors(handler: Handler) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except RackError as error:
            return web.json_response({"error": error.as_json()}, status=400)

    return answer


def _of_query(make: Callable[[Mapping[str, str]], Json]) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        return await _answered(lambda: make(request.query))

    return answer


def _of_body(make: Callable[[Json], Json]) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        return await _answered(lambda: make(body))

    return answer


def _of_own_page(handler: Handler) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        get_routes.require_own_page(request.headers)
        return await handler(request)

    return answer


async def _apart(work: Callable[[], T]) -> T:
    """Run what blocks in a thread, so that the server goes on answering."""
    return await asyncio.get_running_loop().run_in_executor(None, work)


async def _about(request: web.Request) -> web.StreamResponse:
    return web.json_response({"name": "LoRA Rack", "version": VERSION})


async def _answered(make: Callable[[], Any]) -> web.Response:
    """The JSON of an answer, made in a thread: that of thousands of rows takes a while too."""
    text = await _apart(lambda: json.dumps(make(), allow_nan=False))
    return web.json_response(text=text)


async def _loras(request: web.Request) -> web.StreamResponse:
    """?query=&offset=&limit= → {"total", "offset", "cards": […]}."""
    query = request.query.get("query", "")
    offset, limit = _count(request, "offset", 0), _count(request, "limit", 60)
    return await _answered(lambda: CATALOG.page(query, offset, limit).as_json())


async def _info(request: web.Request) -> web.StreamResponse:
    """?name= → the card, "size", "modified_s", and all the file says about itself as "metadata"."""

    def read() -> Json:
        name = host.look_up(_name(request))
        path = host.listed_paths([name]).get(name)
        card = CATALOG.cards([name]).get(name)
        if path is None or card is None:
            raise MissingLora(name, ())
        status = path.stat()
        facts = {"size": status.st_size, "modified_s": int(status.st_mtime)}
        return {**card.as_json(), **facts, "metadata": {} if card.problem else dict(host.metadata_of(path))}

    return await _answered(read)


async def _thumbnail(request: web.Request) -> web.StreamResponse:
    """?name=&v= → the preview beside the file, small, as WebP; 404 when there is none."""
    name = _name(request)
    preview = await _apart(lambda: CATALOG.preview(name))
    if preview is None:
        return web.Response(status=404)
    small = await _apart(lambda: thumbnail(preview))
    headers = {"Cache-Control": _LONG_TIME, "X-Content-Type-Options": "nosniff"}
    return web.Response(body=small.data, content_type="image/webp", headers=headers)


async def _parse(request: web.Request) -> web.StreamResponse:
    """{"text", "anywhere"?} → {"rows"}; `anywhere` reads the tags of a prompt and nothing else."""
    body = await _body(request)
    text = _text(body)

    def read() -> Json:
        stack = read_prompt(text).stack if body.get("anywhere") else parse(text)
        return {"rows": row_json.to_json(stack)}

    return await _answered(read)


async def _files(request: web.Request) -> web.StreamResponse:
    """{"rows"} → {"files"}: for each row the card of its file or the problem; a rack has no card, a comment
    neither.
    """
    body = await _body(request)

    def found() -> list[Json]:
        rows = row_json.from_json(body.get("rows")).rows
        looked_up = iter(CATALOG.look_up(row for row in rows if isinstance(row, Entry)))
        return [_file(next(looked_up) if isinstance(row, Entry) else _problem_of(row)) for row in rows]

    return await _answered(lambda: {"files": found()})


async def _write(request: web.Request) -> web.StreamResponse:
    """{"rows", "partial"?} → {"rows", "text"}: the rows again, each with its line, as row_json.written."""
    body = await _body(request)
    partial = body.get("partial") is True
    return await _answered(lambda: row_json.written(body.get("rows"), partial))


async def _tags(request: web.Request) -> web.StreamResponse:
    """{"tags"} → {"tags"}: what each tag of a prompt means and which file it names, as read_tags."""
    body = await _body(request)
    return await _answered(lambda: {"tags": read_tags(body.get("tags"), CATALOG)})


async def _untag(request: web.Request) -> web.StreamResponse:
    """{"text", "starts"} → {"text", "rows"}: a prompt without some of its tags, as without_tags."""
    body = await _body(request)
    return await _answered(lambda: without_tags(body.get("text"), body.get("starts")))


async def _stack_in_file(request: web.Request) -> web.StreamResponse:
    """A picture or a workflow as the body → {"rows", "remarks"}: the LoRAs it was made with.

    `remarks` say what of it could not be read, a line each.
    """
    data = await _bytes(request, MAX_FILE_BYTES)

    def rows() -> Json:
        named = rows_in_file(data)
        return {"rows": row_json.to_json(named.stack), "remarks": list(named.remarks)}

    return await _answered(rows)


async def _energy(request: web.Request) -> web.StreamResponse:
    """?name= → the blocks of the LoRA's family and its energy in each, as equaliser.Profile.as_json."""
    name = _name(request)
    return await _answered(lambda: equaliser.PROFILES.get(name).as_json())


async def _blocks(request: web.Request) -> web.StreamResponse:
    """{"name", "blocks", "elements", "part", "weights"} → the texts and their curve, as equaliser.draw."""
    body = await _body(request)
    return await _answered(lambda: equaliser.draw(body))


async def _convert(request: web.Request) -> web.StreamResponse:
    """A workflow → the same with racks, or with the host's loaders; see routes_convert."""
    body = await _body(request, MAX_WORKFLOW_BYTES)
    return await _answered(lambda: converted(body))


async def _infotext(request: web.Request) -> web.StreamResponse:
    """{"text"}: what A1111 writes about a picture → {"workflow", "prompt", "missing", "remarks"}."""
    text = _text(await _body(request))
    return await _answered(lambda: build(read_infotext(text), host.what_is_here()).as_json())


def _problem_of(row: Row) -> RackError | None:
    return rack_routes.problem_of(row.name) if isinstance(row, NamedRack) else None


def _file(found: Card | RackError | None) -> Json:
    if isinstance(found, RackError):
        return {"card": None, "problem": found.as_json()}
    return {"card": found.as_json() if found else None, "problem": None}


def _text(body: Json) -> str:
    text = body.get("text")
    if not isinstance(text, str):
        raise BadRequest('the request must hold a "text"')
    return text


def _name(request: web.Request) -> str:
    name = request.query.get("name")
    if not name:
        raise BadRequest('the request must hold a "name"')
    return name


def _count(request: web.Request, field: str, default: int) -> int:
    value = request.query.get(field, str(default))
    if not value.isdecimal() or len(value) > 9:
        raise BadRequest(f"{field} must be a whole number, not {shown(value)}")
    return int(value)


async def _body(request: web.Request, limit: int = MAX_TEXT_BYTES) -> Json:
    if request.content_type != "application/json":  # a page of another origin can send only other types
        raise BadRequest("the request must be JSON")
    if (request.charset or "utf-8").lower() not in ("utf-8", "utf8", "us-ascii"):
        raise BadRequest(f"the request must be in UTF-8, not in {shown(request.charset)}")
    data = await _bytes(request, limit)
    try:
        body = await _apart(lambda: read_json(data, limit, lenient=True))
    except BadJson as error:
        raise BadRequest(f"the request is not JSON: it {error.problem}") from None
    if not isinstance(body, dict):
        raise BadRequest("the request must be a JSON object")
    return body


async def _bytes(request: web.Request, limit: int) -> bytes:
    """The body, of which no more than `limit` bytes are ever held. Raises BadRequest for a larger one."""
    refused = BadRequest(f"the request is larger than {limit} bytes, which is the most this asks for")
    if (request.content_length or 0) > limit:
        raise refused
    parts, size = list[bytes](), 0
    try:
        async for part in request.content.iter_any():
            size += len(part)
            if size > limit:
                raise refused
            parts.append(part)
    except (web.HTTPException, ClientError) as error:
        raise BadRequest(f"the request cannot be read: {error}") from None
    return b"".join(parts)
