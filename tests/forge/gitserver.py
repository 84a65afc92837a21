"""A real git server over HTTP on loopback, with a password: git's own, or that of dulwich where git is missing."""

import base64
import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from wsgiref.handlers import SimpleHandler

from dulwich.objects import Blob, Commit, Tree
from dulwich.repo import Repo
from dulwich.server import DictBackend
from dulwich.web import make_wsgi_chain

USER, TOKEN = "x-access-token", "t0ken-that-nobody-may-see"
BACKEND = (
    Path(
        subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=False).stdout.strip()
        if shutil.which("git")
        else "/nonexistent"
    )
    / "git-http-backend"
)

Fault = Callable[[BaseHTTPRequestHandler], bool]
"""Answers in the server's place; False where it did not."""


class GitServer:
    """Repositories below `folder`, served at `address`."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder = folder
        self.kind = kind
        self.asked: list[str] = []
        self.fault: Fault | None = None
        self.before_push: Callable[[], Any] | None = None
        self.host = ""

    @property
    def address(self) -> str:
        return f"http://{self.host}/payments/deploy.git"

    @property
    def repository(self) -> Path:
        return self.folder / "payments" / "deploy.git"

    def create(self, files: dict[str, bytes], branch: str = "main") -> str:
        """A bare repository with one commit."""
        self.repository.mkdir(parents=True)
        with Repo.init_bare(self.repository) as repo:
            repo.refs.set_symbolic_ref(b"HEAD", f"refs/heads/{branch}".encode())
            config = repo.get_config()
            config.set((b"http",), b"receivepack", b"true")
            config.set((b"uploadpack",), b"allowFilter", b"true")
            config.write_to_path()
        return self.commit(files, branch, "first")

    def configure(self, section: str, name: str, value: str) -> None:
        with Repo(str(self.repository)) as repo:
            config = repo.get_config()
            config.set((section.encode(),), name.encode(), value.encode())
            config.write_to_path()

    def commit(self, files: dict[str, bytes], branch: str = "main", message: str = "by a person") -> str:
        """A further commit on a branch, which is made from main where it does not exist; its name."""
        with Repo(str(self.repository)) as repo:
            ref = f"refs/heads/{branch}".encode()
            tip = repo.refs.as_dict().get(ref) or repo.refs.as_dict().get(b"refs/heads/main")
            tree = repo[repo[tip].tree].id if tip else Tree().id  # type: ignore[union-attr]
            if not tip:
                repo.object_store.add_object(Tree())
            for path, body in files.items():
                tree = self._put(repo, tree, path.split("/"), body)
            commit = Commit()
            commit.tree, commit.parents = tree, [tip] if tip else []
            commit.author = commit.committer = b"A Person <person@example.com>"
            commit.author_time = commit.commit_time = 1_700_000_000
            commit.author_timezone = commit.commit_timezone = 0
            commit.message = message.encode()
            repo.object_store.add_object(commit)
            repo.refs[ref] = commit.id
            return commit.id.decode()

    def _put(self, repo: Repo, tree: Any, path: list[str], body: bytes) -> Any:
        found = repo[tree].copy()
        name = path[0].encode()
        if len(path) == 1:
            blob = Blob.from_string(body)
            repo.object_store.add_object(blob)
            found[name] = (0o120000 if body.startswith(b"->") else 0o100644, blob.id)
        else:
            below = found[name][1] if name in found else Tree().id  # type: ignore[operator]
            if name not in found:  # type: ignore[operator]
                repo.object_store.add_object(Tree())
            found[name] = (0o40000, self._put(repo, below, path[1:], body))  # type: ignore[index]
        repo.object_store.add_object(found)
        return found.id

    def branches(self) -> dict[str, str]:
        with Repo(str(self.repository)) as repo:
            return {
                name.decode().removeprefix("refs/heads/"): tip.decode()
                for name, tip in repo.refs.as_dict().items()
                if name.startswith(b"refs/heads/")
            }

    def read(self, commit: str, path: str) -> bytes:
        with Repo(str(self.repository)) as repo:
            tree: Any = repo[repo[commit.encode()].tree]  # type: ignore[union-attr]
            return bytes(repo[tree.lookup_path(repo.__getitem__, path.encode())[1]].data)  # type: ignore[union-attr]

    def show(self, commit: str) -> Commit:
        with Repo(str(self.repository)) as repo:
            found = repo[commit.encode()]
            assert isinstance(found, Commit)
            return found

    def protect(self, pattern: str) -> None:
        """Let the server refuse pushes to some branches, as forges do it."""
        hook = self.repository / "hooks" / "update"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(
            f'#!/bin/sh\ncase "$1" in refs/heads/{pattern})\n echo "GH006: Protected branch" >&2; exit 1;; esac\n'
        )
        hook.chmod(0o755)

    def environment(self, request: BaseHTTPRequestHandler) -> dict[str, str]:
        path, _, query = request.path.partition("?")
        found = {
            "GIT_PROJECT_ROOT": str(self.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "HOME": str(self.folder),
            "PATH": os.environ["PATH"],
            "PATH_INFO": path,
            "SCRIPT_NAME": "",
            "QUERY_STRING": query,
            "REQUEST_METHOD": request.command,
            "REMOTE_USER": USER,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": request.headers.get("Content-Length", "0"),
            "SERVER_PROTOCOL": "HTTP/1.1",
        }
        if protocol := request.headers.get("Git-Protocol"):
            found["GIT_PROTOCOL"] = protocol
        return found


class _Handler(BaseHTTPRequestHandler):
    git: GitServer

    def do_GET(self) -> None:
        self.git.asked.append(f"{self.command} {self.path}")
        if self.git.fault is not None and self.git.fault(self):
            return
        wanted = base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {wanted}":
            answer(self, 401, {"WWW-Authenticate": "Basic"})
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path.endswith("/git-receive-pack") and self.git.before_push is not None:
            self.git.before_push()
        (self._run_git if self.git.kind == "git" else self._run_dulwich)(body)

    do_POST = do_GET  # noqa: N815

    def _run_git(self, body: bytes) -> None:
        done = subprocess.run([BACKEND], input=body, env=self.git.environment(self), capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        status = int(headers.pop("Status", "200").split()[0])
        answer(self, status, headers, content)

    def _run_dulwich(self, body: bytes) -> None:
        import io

        with Repo(str(self.git.repository)) as repo:
            app = make_wsgi_chain(DictBackend({"/payments/deploy.git": repo}))
            out = io.BytesIO()
            environment = {"SERVER_NAME": "x", "SERVER_PORT": "0", **self.git.environment(self)}
            handler = SimpleHandler(io.BytesIO(body), out, io.StringIO(), environment, multithread=False)
            handler.http_version = "1.0"
            handler.run(app)
        self.close_connection = True
        self.wfile.write(out.getvalue().replace(b"Status:", b"HTTP/1.0", 1))

    def log_message(self, *_: Any) -> None:
        pass


def answer(
    request: BaseHTTPRequestHandler, status: int, headers: dict[str, str] | None = None, body: bytes = b""
) -> None:
    request.send_response(status)
    for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body)


@contextmanager
def serve(folder: Path, kind: str, tls: ssl.SSLContext | None = None) -> Iterator[GitServer]:
    git = GitServer(folder, kind)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"git": git}))
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    git.host = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield git
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
