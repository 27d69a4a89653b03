"""How the modules that the page loads later (web/**/*.mjs) are sent: as the host sends its own .js.

Of .js the host names the type, whatever the registry of the machine says, and has the browser ask each time
whether there is a newer one. Of .mjs it does neither, and after an update the page would mix two versions.
"""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

_WEB = Path(__file__).resolve().parents[2] / "web"


async def send_as_script(request: web.Request, response: web.StreamResponse) -> None:
    """Set the headers of an answer that is one of our .mjs files, before it is sent."""
    resource = request.match_info.route.resource
    if not request.path.endswith(".mjs") or resource is None or resource.get_info().get("directory") != _WEB:
        return
    response.headers["Cache-Control"] = "no-cache"
    if response.status == 200:
        response.content_type = "text/javascript"
