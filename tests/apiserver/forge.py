"""A git server and a forge on loopback: `python -m tests.apiserver.forge FOLDER GIT_FILE` serves a repository with one
file, and writes the hosts of both to FOLDER/hosts, as JSON."""

import asyncio
import json
import sys
from pathlib import Path

from aiohttp import web

from tests.forge.github_stub import GitHub
from tests.forge.gitserver import GitServer, serve


class Branches:
    """Those of the git server, for the forge to look at."""

    def __init__(self, git: GitServer) -> None:
        self.git = git

    def __contains__(self, name: object) -> bool:
        return name in self.git.branches()


async def main(folder: Path, name: str) -> None:
    with serve(folder, "dulwich") as git:
        git.create({name: sys.stdin.buffer.read()})
        github = GitHub()
        github.branches = Branches(git)
        github.tip = lambda branch: git.branches()[branch]
        runner = web.AppRunner(github.app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        github.host = f"{host}:{port}"
        fresh = folder / "fresh"
        fresh.write_text(json.dumps({"git": git.host, "github": github.host}))
        fresh.rename(folder / "hosts")
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
