"""A server on this machine that answers as badly as it is told to."""

from __future__ import annotations

import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PREFIX = "/files/own/1.0.0/"


class Server(ThreadingHTTPServer):
    """Serves `files`; a context manager.

    Attributes
    ----------
    files
        Content by name.
    statuses
        Statuses of the next answers, by name; what is left over serves the file.
    cuts
        Bytes after which the next answers break off, by name.
    endless
        Files that never end.
    retry_after
        Header of an answer that refuses, in seconds.
    requests
        How often each file was asked for.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.statuses: dict[str, list[int]] = {}
        self.cuts: dict[str, list[int]] = {}
        self.endless: set[str] = set()
        self.retry_after: int | None = None
        self.requests: Counter[str] = Counter()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.server_port}/files"

    def __enter__(self) -> Server:
        """Serve."""
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self.shutdown()
        self.server_close()

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = 10

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        server, name = self.server, self.path.removeprefix(PREFIX)
        server.requests[name] += 1
        if server.statuses.get(name):
            self.send_response(server.statuses[name].pop(0))
            if server.retry_after is not None:
                self.send_header("Retry-After", str(server.retry_after))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if name in server.endless:
            self.send_response(200)
            self.end_headers()
            began = time.monotonic()
            while time.monotonic() - began < 300:
                self.wfile.write(b"x" * 1_000_000)
            return
        content = server.files.get(name)
        if content is None:
            self.send_error(404)
            return
        start = 0
        wanted = self.headers.get("Range", "")
        if wanted.startswith("bytes="):
            start = int(wanted.removeprefix("bytes=").split("-")[0])
            if start >= len(content):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        cut = server.cuts[name].pop(0) if server.cuts.get(name) else None
        self.wfile.write(content[start:] if cut is None else content[start:][:cut])
        if cut is not None:
            self.close_connection = True
