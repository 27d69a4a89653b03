"""Requests a client would not make by itself: any method, body and headers, and the answer whatever it is."""

from __future__ import annotations

import http.client

from tools.dev.host_client import HostClient


def ask(
    client: HostClient, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, bytes]:
    """Status and body of an answer, whatever they are."""
    connection = http.client.HTTPConnection(client.address, timeout=30)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
