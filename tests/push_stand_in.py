"""A Hub on this machine that models can be pushed to: the few addresses that the Hub's library asks for.

Large files come the old way (LFS) or the new one (Xet), as the library chooses. Xet's chunks are understood only where
they came uncompressed, as random bytes do.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OWNER = "ann"
WRITE_TOKEN = "hf_annMayWriteHere"
READ_TOKEN = "hf_annMayOnlyRead"
LOST = 0  # in place of a status: the connection is closed without an answer

_XET_TOKEN = "of-the-store-only"


@dataclass
class PushHub:
    """What the Hub has been asked and given, and how it is to answer."""

    endpoint: str = ""
    visibility: dict[str, str] = field(default_factory=dict)
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    stored: dict[str, bytes] = field(default_factory=dict)
    # Part of an address -> the status it is answered with, whoever asks.
    refused: dict[str, int] = field(default_factory=dict)


@contextmanager
def push_hub() -> Iterator[PushHub]:
    """Serve an empty Hub of the one user ``OWNER``, who has two tokens; yields what becomes of it."""
    hub = PushHub()

    class Handler(_Handler):
        pass

    Handler.hub = hub
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: PushHub

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urlsplit(self.path).path
        self.hub.requests.append(f"{self.command} {path}")
        self.hub.agents.add(self.headers.get("User-Agent", ""))
        status = next((status for part, status in self.hub.refused.items() if part in path), 200)
        if path in ("", "/"):
            self.answer({})
        elif status == LOST:
            self.close_connection = True
        elif path.startswith("/store/"):
            self.store(path, body, status)
        elif self.token() not in (WRITE_TOKEN, READ_TOKEN):
            self.refuse(401, "Invalid credentials in Authorization header")
        elif status != 200:
            self.refuse(status, "As the test wants it")
        elif path == "/api/whoami-v2":
            self.answer({"type": "user", "name": OWNER})
        elif path == "/api/repos/create":
            self.create(json.loads(body))
        elif path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        else:
            self.repository(path, body)

    do_HEAD = do_POST = do_PUT = do_GET

    def token(self) -> str:
        return str(self.headers.get("Authorization", "")).removeprefix("Bearer ")

    def create(self, asked: dict[str, Any]) -> None:
        name = f"{asked.get('organization') or OWNER}/{asked['name']}"
        url = f"{self.hub.endpoint}/{name}"
        if self.token() != WRITE_TOKEN or not name.startswith(f"{OWNER}/"):
            self.refuse(403, "You don't have the rights to create a model under this namespace")
        elif name in self.hub.visibility:
            self.answer({"error": "You already created this model repo", "url": url}, 409)
        else:
            self.hub.visibility[name] = asked.get("visibility", "public")
            self.hub.files[name] = {}
            self.answer({"url": url, "name": name})

    def repository(self, path: str, body: bytes) -> None:
        owner, repository, *rest = path.removeprefix("/api/models").strip("/").split("/")
        name, what = f"{owner}/{repository.removesuffix('.git')}", "/".join(rest)
        if name not in self.hub.visibility:
            self.refuse(404, "Repository not found", "RepoNotFound")
        elif what in ("", "revision/main"):
            self.answer({"id": name, "sha": COMMIT, "siblings": []})
        elif self.token() != WRITE_TOKEN or owner != OWNER:
            self.refuse(403, "Forbidden: pass `create_pr=1` as a query parameter to create a Pull Request")
        elif what == "preupload/main":
            self.answer({"files": [self.mode(file["path"]) for file in json.loads(body)["files"]]})
        elif what == "info/lfs/objects/batch":
            self.answer(
                {"transfer": "basic", "objects": [self.lfs(name, file) for file in json.loads(body)["objects"]]}
            )
        elif what == "info/lfs/verify":
            self.answer({}, 200 if json.loads(body)["oid"] in self.hub.stored else 404)
        elif what == "xet-write-token/main":
            store = {"casUrl": f"{self.hub.endpoint}/store", "accessToken": _XET_TOKEN, "exp": 4 * 10**9}
            self.answer(store)
        elif what == "commit/main":
            self.commit(name, [json.loads(line) for line in body.splitlines()])
        else:
            self.refuse(404, f"Nothing at {path}")

    def mode(self, path: str) -> dict[str, object]:
        kind = "lfs" if path.endswith(".safetensors") else "regular"
        return {"path": path, "uploadMode": kind, "shouldIgnore": False}

    def lfs(self, name: str, file: dict[str, Any]) -> dict[str, object]:
        actions = {
            "upload": {"href": f"{self.hub.endpoint}/store/lfs/{file['oid']}"},
            "verify": {"href": f"{self.hub.endpoint}/{name}.git/info/lfs/verify"},
        }
        return {"oid": file["oid"], "size": file["size"], "actions": actions}

    def store(self, path: str, body: bytes, status: int) -> None:
        """Where the large files lie: elsewhere, so the Hub's token must not be shown here."""
        if self.token() not in ("", _XET_TOKEN):
            self.refuse(400, "The store was shown the Hub's token")
        elif status != 200:
            self.refuse(status, "As the test wants it")
        elif path.startswith("/store/lfs/"):
            self.keep(body)
            self.answer({})
        elif path.startswith("/store/v1/xorbs/"):
            self.keep(_unchunked(body))
            self.answer({"was_inserted": True})
        elif path == "/store/v1/shards":
            self.answer({"result": 1})
        else:
            self.refuse(404, f"Nothing at {path}")

    def keep(self, content: bytes) -> None:
        self.hub.stored[hashlib.sha256(content).hexdigest()] = content

    def commit(self, name: str, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                self.hub.commits.append(value["summary"])
            elif line["key"] == "file":
                self.hub.files[name][value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.hub.files[name][value["path"]] = self.hub.stored[value["oid"]]
        self.answer({"commitUrl": f"{self.hub.endpoint}/{name}/commit/{COMMIT}", "commitOid": COMMIT})

    def answer(self, value: object, status: int = 200, code: str = "") -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: int, message: str, code: str = "") -> None:
        # A Hub that tells what it was sent, so that a test sees who passes it on.
        self.answer({"error": f"{message} [{self.token()}]"}, status, code)

    def log_message(self, *arguments: object) -> None:
        pass


def _unchunked(xorb: bytes) -> bytes:
    """The content of a Xet upload: chunks, each after eight bytes (version, size, how it is compressed, full size)."""
    content, start = b"", 0
    while start < len(xorb):
        size, compressed = int.from_bytes(xorb[start + 1 : start + 4], "little"), xorb[start + 4]
        assert not compressed, "the stand-in reads uncompressed chunks only: push random bytes"
        content += xorb[start + 8 : start + 8 + size]
        start += 8 + size
    return content
