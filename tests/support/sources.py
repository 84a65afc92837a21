"""A bucket and a hub on one address, as far as loading needs them: `python sources.py ADDRESS PORT`.

The bucket `models` holds fraud/7 and opens to one access key only; the hub holds org/fraud at one commit."""

import hashlib
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

ACCESS_KEY = "key-of-the-test"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
OBJECTS = {"fraud/7/weights.txt": b"from the bucket", "fraud/7/sub/config.json": b"{}"}
FILES = {"weights.txt": b"from the hub", "sub/config.json": b"{}"}


class Handler(BaseHTTPRequestHandler):
    """GET and HEAD; everything else is not needed."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(*self.find())

    def do_HEAD(self) -> None:
        self.answer(*self.find())

    def find(self) -> tuple[int, bytes]:
        parts = urlsplit(self.path)
        path, query = unquote(parts.path), parse_qs(parts.query)
        if path == "/models" or path.startswith("/models/"):
            if f"Credential={ACCESS_KEY}/" not in self.headers.get("Authorization", ""):
                return 403, b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
            key = path.removeprefix("/models").lstrip("/")
            return (200, list_objects(query)) if not key else find_file(OBJECTS, key)
        if path.startswith(f"/api/models/org/fraud/tree/{COMMIT}"):
            return 200, json.dumps([describe(name, content) for name, content in FILES.items()]).encode()
        return find_file(FILES, path.removeprefix(f"/org/fraud/resolve/{COMMIT}/"))

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{sha1(body)}"')
        self.send_header("Last-Modified", "Mon, 23 Nov 2026 10:00:00 GMT")
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write no line for each request."""


def find_file(files: dict[str, bytes], name: str) -> tuple[int, bytes]:
    return (200, files[name]) if name in files else (404, b"")


def describe(name: str, content: bytes) -> dict[str, object]:
    return {"type": "file", "path": name, "size": len(content), "oid": sha1(content)}


def list_objects(query: dict[str, list[str]]) -> bytes:
    """ListObjectsV2, with a delimiter or without."""
    prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
    contents, folders = "", set()
    for key, content in OBJECTS.items():
        rest = key.removeprefix(prefix)
        if not key.startswith(prefix):
            continue
        if delimiter and delimiter in rest:
            folders.add(prefix + rest.partition(delimiter)[0] + delimiter)
            continue
        contents += f"<Contents><Key>{key}</Key><Size>{len(content)}</Size><ETag>{sha1(content)}</ETag>"
        contents += "<LastModified>2026-11-23T10:00:00.000Z</LastModified></Contents>"
    contents += "".join(f"<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>" for name in sorted(folders))
    head = f"<Name>models</Name><Prefix>{prefix}</Prefix><IsTruncated>false</IsTruncated>"
    return f'<?xml version="1.0"?><ListBucketResult>{head}{contents}</ListBucketResult>'.encode()


def sha1(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


if __name__ == "__main__":
    ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
