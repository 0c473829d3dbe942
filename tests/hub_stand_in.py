"""A Hub of one public data set or model on this machine: the few addresses that the Hub's libraries ask for."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def put_in_cache(cache: Path, name: str, folder: Path, commit: str = COMMIT, ref: str = "main") -> Path:
    """Lay a model's folder into a Hub's cache as its libraries do; returns its place there."""
    place = cache / f"models--{name.replace('/', '--')}"
    for file in folder.iterdir():
        blob = place / "blobs" / hashlib.sha1(file.read_bytes()).hexdigest()
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(file.read_bytes())
        link = place / "snapshots" / commit / file.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(Path("..", "..", "blobs", blob.name))
    if ref:
        (place / "refs").mkdir(exist_ok=True)
        (place / "refs" / ref).write_text(commit)
    return place


@contextmanager
def hub_of(
    name: str,
    folder: Path,
    kind: Literal["datasets", "models"] = "datasets",
    *,
    facts: Mapping[str, Any] | None = None,
    chunk_seconds: float = 0.0,
) -> Iterator[str]:
    """Serve ``folder`` as the data set or model ``name`` (revision main only); yields the endpoint's address.

    ``facts``: what the Hub tells besides, under its names (``pipeline_tag``, ``config`` …). With ``gated`` among them
    it tells all of that and refuses the files, as the Hub does for who has not accepted the terms.
    ``chunk_seconds``: how long each quarter of a file takes.
    """
    facts = facts or {}
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
            elif facts.get("gated"):
                self.refuse("GatedRepo", 401)
            else:
                self.answer(files[path].read_bytes(), "application/octet-stream")

        def api(self, what: str = "", revision: str = "main", under: str = "") -> None:
            if revision not in ("main", COMMIT):
                self.refuse("RevisionNotFound")
            elif what in ("", "revision"):
                siblings = [{"rfilename": path, "size": file.stat().st_size} for path, file in files.items()]
                self.answer(json.dumps({"id": name, "sha": COMMIT, "siblings": siblings, **facts}).encode())
            elif what == "auth-check":
                if facts.get("gated"):
                    self.refuse("GatedRepo", 403)
                else:
                    self.answer(b"{}")
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
                slowly = chunk_seconds and kind == "application/octet-stream"
                self.send_slowly(body) if slowly else self.wfile.write(body)

        def send_slowly(self, body: bytes) -> None:
            quarter = len(body) // 4 + 1
            for start in range(0, len(body), quarter):
                self.wfile.write(body[start : start + quarter])
                self.wfile.flush()
                time.sleep(chunk_seconds)

        def refuse(self, code: str, status: int = 404) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)  # seconds until it sees that it is to end
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
