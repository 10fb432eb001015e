"""The registry itself: answers the reading half of the registry API v2 on 127.0.0.1.

Usage: python3 -m registry [port], 5000 unless told.
"""

from __future__ import annotations

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from registry.layers import Layer, tar_stream

STORE = Path("/swarmlab/store/registry")
PORT = 5000
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_PATH = re.compile(r"^/v2/(?P<name>[a-z0-9._/-]+)/(?P<kind>manifests|blobs)/(?P<ref>[\w.:-]+)$")
_DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")


class Handler(BaseHTTPRequestHandler):
    """One request; whatever is not in the store is unknown, and nothing can be written."""

    protocol_version = "HTTP/1.1"
    index: dict[str, Any]

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        path = self.path.partition("?")[0]
        if path in ("/v2", "/v2/"):
            return self._send(b"{}", "application/json", "", body=body)
        match = _PATH.match(path)
        if match is None:
            return self._unknown("UNSUPPORTED", body=body)
        if match["kind"] == "manifests":
            return self._manifest(match["name"], match["ref"], body=body)
        return self._blob(match["ref"], body=body)

    def _manifest(self, name: str, ref: str, *, body: bool) -> None:
        tags = self.index["images"].get(name, {})
        digest = ref if ref in tags.values() else tags.get(ref)
        if digest is None:
            return self._unknown("MANIFEST_UNKNOWN", body=body)
        content = (STORE / "manifests" / digest).read_bytes()
        return self._send(content, _MANIFEST, digest, body=body)

    def _blob(self, digest: str, *, body: bool) -> None:
        if layer := self.index["layers"].get(digest):
            self._headers(layer["size"], "application/octet-stream", digest)
            if body:
                for block in tar_stream(Layer(Path(layer["recipe"]), Path(layer["files"]))):
                    self.wfile.write(block)
            return None
        if _DIGEST.match(digest):
            config = Path(self.index["configs"], digest.removeprefix("sha256:"))
            if config.is_file():
                content = config.read_bytes()
                return self._send(content, "application/octet-stream", digest, body=body)
        return self._unknown("BLOB_UNKNOWN", body=body)

    def _send(self, content: bytes, kind: str, digest: str, *, body: bool) -> None:
        self._headers(len(content), kind, digest)
        if body:
            self.wfile.write(content)

    def _headers(self, size: int, kind: str, digest: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(size))
        if digest:
            self.send_header("Docker-Content-Digest", digest)
        self.end_headers()

    def _unknown(self, code: str, *, body: bool) -> None:
        content = json.dumps({"errors": [{"code": code, "message": "not in this node"}]}).encode()
        self._headers(len(content), "application/json", "", status=404)
        if body:
            self.wfile.write(content)


def main() -> None:
    """Serve until killed."""
    Handler.index = json.loads((STORE / "index.json").read_text())
    port = int(sys.argv[1]) if len(sys.argv) > 1 else PORT
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main()
