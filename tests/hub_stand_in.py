"""A Hub of one public data set or model on this machine: the few addresses that the Hub's libraries ask for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Literal
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def hub_of(name: str, folder: Path, kind: Literal["datasets", "models"] = "datasets") -> Iterator[str]:
    """Serve ``folder`` as the data set or model ``name`` (revision main only); yields the endpoint's address."""
    resolve = f"/datasets/{name}/resolve/" if kind == "datasets" else f"/{name}/resolve/"
    api = f"/api/{kind}/{name}"
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}

    class Hub(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = unquote(urlsplit(self.path).path)
            if path in ("", "/"):
                self.answer(b"the start page")
            elif path.startswith(resolve):
                self.resolve(*path.removeprefix(resolve).split("/", 1))
            elif path == api or path.startswith(f"{api}/"):
                self.api(*path.removeprefix(api).strip("/").split("/", 2))
            else:
                self.refuse("RepoNotFound")

        do_HEAD = do_POST = do_GET

        def resolve(self, revision: str, path: str) -> None:
            if revision not in ("main", COMMIT):
                self.refuse("RevisionNotFound")
            elif path not in files:
                self.refuse("EntryNotFound")
            else:
                self.answer(files[path].read_bytes(), "application/octet-stream")

        def api(self, what: str = "", revision: str = "main", under: str = "") -> None:
            if revision not in ("main", COMMIT):
                self.refuse("RevisionNotFound")
            elif what in ("", "revision"):
                siblings = [{"rfilename": path, "size": file.stat().st_size} for path, file in files.items()]
                self.answer(json.dumps({"id": name, "sha": COMMIT, "siblings": siblings}).encode())
            else:
                inside = [path for path in files if path.startswith(under and f"{under}/")]
                depth = under.count("/") + 2 if under else 1
                entries = {"/".join(path.split("/")[:depth]) for path in inside}
                self.answer(json.dumps([self.entry(path) for path in sorted(entries)]).encode())

        def entry(self, path: str) -> dict[str, object]:
            if path not in files:
                return {"type": "directory", "path": path, "size": 0, "oid": hashlib.sha1(path.encode()).hexdigest()}
            content = files[path].read_bytes()
            return {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}

        def answer(self, body: bytes, kind: str = "application/json") -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def refuse(self, code: str) -> None:
            self.send_response(404)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
