"""A registry of container images that takes what is pushed to it and keeps none of it: the image has a digest then."""

from __future__ import annotations

import hashlib
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


class _Handler(BaseHTTPRequestHandler):
    """What `docker push` asks for (OCI Distribution Specification, "Push")."""

    protocol_version = "HTTP/1.1"

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self._answer(200 if self.path == "/v2/" else 404)

    def do_HEAD(self) -> None:
        digest = self.path.rpartition("/")[2]
        size = self.server.blobs.get(digest)  # type: ignore[attr-defined]
        if size is None:
            self._answer(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.send_header("Docker-Content-Digest", digest)
        self.end_headers()

    def do_POST(self) -> None:
        self._answer(202, Location=f"{self.path.partition('?')[0]}{secrets.token_hex(8)}")

    def do_PATCH(self) -> None:
        size = len(self._body())
        sizes = self.server.sizes  # type: ignore[attr-defined]
        sizes[self.path] = sizes.get(self.path, 0) + size
        self._answer(202, Location=self.path, Range=f"0-{sizes[self.path] - 1}")

    def do_PUT(self) -> None:
        body = self._body()
        path, _, query = self.path.partition("?digest=")
        if query:
            digest = query.replace("%3A", ":")
            size = self.server.sizes.pop(path, 0) + len(body)  # type: ignore[attr-defined]
        else:
            digest, size = f"sha256:{hashlib.sha256(body).hexdigest()}", len(body)
        self.server.blobs[digest] = size  # type: ignore[attr-defined]
        self._answer(201, Location=path, Docker_Content_Digest=digest)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Registry:
    """The registry, on a port of this machine, while a ``with`` block runs."""

    def __enter__(self) -> Registry:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.blobs, self._server.sizes = {}, {}  # type: ignore[attr-defined]
        self.address = f"localhost:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
