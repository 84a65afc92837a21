"""A commit on a branch of a real git server, whatever that server does."""

import asyncio
import base64
import contextlib
import dataclasses
import os
import socket
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from serinus.forge.access import GitAccess
from serinus.forge.change import Change, Limits, name_branch, name_branches
from serinus.forge.git import drop_superseded, open_branch_commit
from serinus.forge.outcome import Away, Committed, Deleted, Refused, UpToDate
from serinus.forge.yamlfile import Edit
from tests.fakes.certificates import Authority
from tests.forge.gitserver import BACKEND, TOKEN, USER, GitServer, answer, serve

FILE = b"""\
# Fraud  (owners: payments)
spec:
  model:
    uri: models:/fraud/6   # moved by pull requests
  replicas: 3
"""
PATH = "apps/fraud/model.yaml"
EDITS = (Edit(PATH, "spec.model.uri", "models:/fraud/7"),)
HEAD = name_branch("ml", "fraud", "main", EDITS)


def need_git() -> None:
    """Git's own server; in CI it may not be missing."""
    if not BACKEND.exists():
        assert not os.environ.get("CI"), f"{BACKEND} is missing"
        pytest.skip("git is not installed")


@pytest.fixture(params=["git", "dulwich"])
def git(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[GitServer]:
    if request.param == "git":
        need_git()
    with serve(tmp_path, request.param) as server:
        server.create({PATH: FILE, "README.md": b"hello", "apps/other.yaml": b"a: 1\n", "big.bin": bytes(300_000)})
        yield server


@pytest.fixture
def real(tmp_path: Path) -> Iterator[GitServer]:
    """Git's own server only, for what the other has not."""
    need_git()
    with serve(tmp_path, "git") as server:
        server.create({PATH: FILE, "README.md": b"hello", "apps/other.yaml": b"a: 1\n", "big.bin": bytes(300_000)})
        yield server


def wanted(
    edits: tuple[Edit, ...] = EDITS, base: str | None = "main", head: str | None = None, at: int = 1_800_000_000
) -> Change:
    branch = head or name_branch("ml", "fraud", base, edits)
    return Change(branch, edits, "Promote models:/fraud/7", ("Serinus", "serinus@example.com"), at, base)


async def ask(
    git: GitServer, change: Change | None = None, limits: Limits | None = None, token: str = TOKEN, **more: Any
) -> Any:
    access = GitAccess(more.pop("url", git.address), USER, token)
    outcome = await open_branch_commit(access, more.pop("hosts", {git.host: "http"}), change or wanted(), limits)
    assert TOKEN not in repr(outcome)
    return outcome


async def test_one_line_of_one_file_is_changed_on_a_branch_of_its_own(git: GitServer) -> None:
    before = git.branches()["main"]
    made = await ask(git)
    assert made == Committed(git.branches()[HEAD], HEAD, "main", pushed=True)
    assert git.branches()["main"] == before
    assert git.read(made.commit, PATH) == FILE.replace(b"fraud/6", b"fraud/7")
    assert git.read(made.commit, "README.md") == b"hello"
    commit = git.show(made.commit)
    assert (commit.parents, commit.author) == ([before.encode()], b"Serinus <serinus@example.com>")
    assert commit.message.startswith(b"Promote models:/fraud/7\n\nSerinus-Content: ")


async def test_the_same_content_again_is_the_same_commit_and_no_push(git: GitServer) -> None:
    made = await ask(git)
    git.asked.clear()
    assert await ask(git, wanted(at=1_900_000_000)) == dataclasses.replace(made, pushed=False)
    assert [line for line in git.asked if "receive-pack" in line] == []


async def test_other_content_is_another_branch(git: GitServer) -> None:
    await ask(git)
    other = await ask(git, wanted((Edit(PATH, "spec.model.uri", "models:/fraud/8"),)))
    assert other.pushed
    assert other.branch != HEAD
    assert git.read(git.branches()[HEAD], PATH) == FILE.replace(b"fraud/6", b"fraud/7")


async def test_what_the_base_has_already_needs_no_branch(git: GitServer) -> None:
    assert await ask(git, wanted((Edit(PATH, "spec.replicas", 3),))) == UpToDate(git.branches()["main"], "main")
    assert list(git.branches()) == ["main"]


async def test_what_is_taken_back_is_taken_back_only_where_it_stands(git: GitServer) -> None:
    back = dataclasses.replace(wanted(), replaces=(Edit(PATH, "spec.model.uri", "models:/fraud/5"),))
    assert await ask(git, back) == UpToDate(git.branches()["main"], "main")
    back = dataclasses.replace(back, replaces=(Edit(PATH, "spec.model.uri", "models:/fraud/6"),))
    assert isinstance(await ask(git, back), Committed)


async def test_the_default_branch_is_taken_where_none_is_named(git: GitServer) -> None:
    made = await ask(git, wanted(base=None))
    assert (made.base, made.pushed) == ("main", True)
    assert await ask(git, wanted(base=None)) == dataclasses.replace(made, pushed=False)


async def test_a_base_that_moves_before_the_push_does_no_harm(git: GitServer) -> None:
    git.before_push = lambda: git.commit({"README.md": b"moved"})
    made = await ask(git)
    git.before_push = None
    assert made.pushed
    assert git.read(git.branches()["main"], "README.md") == b"moved"
    assert git.read(git.branches()["main"], PATH) == FILE
    assert await ask(git) == dataclasses.replace(made, pushed=False)


async def test_a_base_whose_file_has_changed_gets_the_commit_anew(git: GitServer) -> None:
    made = await ask(git)
    base = git.commit({PATH: FILE.replace(b"replicas: 3", b"replicas: 5")})
    again = await ask(git)
    assert again.pushed
    assert again.commit != made.commit
    assert git.show(again.commit).parents == [base.encode()]
    assert b"fraud/7" in git.read(again.commit, PATH)
    assert b"replicas: 5" in git.read(again.commit, PATH)


async def test_a_branch_that_a_person_has_worked_on_is_left_to_him(git: GitServer) -> None:
    await ask(git)
    theirs = git.commit({"README.md": b"reviewed"}, HEAD)
    git.commit({PATH: FILE.replace(b"replicas: 3", b"replicas: 5")})
    assert await ask(git) == Committed(theirs, HEAD, "main", pushed=False)
    git.commit({PATH: FILE}, HEAD)
    said = await ask(git)
    assert isinstance(said, Refused)
    assert f"branch {HEAD} holds other values" in said.message


async def test_a_branch_that_another_makes_in_the_same_moment(real: GitServer) -> None:
    theirs: list[str] = []

    def race() -> None:
        real.before_push = None
        theirs.append(real.commit({PATH: FILE.replace(b"fraud/6", b"fraud/7")}, HEAD))

    real.before_push = race
    assert await ask(real) == Committed(theirs[0], HEAD, "main", pushed=False)


async def test_a_branch_that_never_stands_still_is_away(real: GitServer) -> None:
    numbers = iter(range(100))

    def move() -> None:
        real.commit({PATH: FILE.replace(b"fraud/6", b"fraud/7")}, HEAD, f"x\n\nSerinus-Content: {'0' * 64}")
        real.commit({PATH: b"# %d\n" % next(numbers) + FILE})

    real.before_push = move
    said = await ask(real)
    assert said == Away(f"others go on moving the branches at {real.host}")
    assert next(numbers) == 3


async def test_several_files_are_one_commit(git: GitServer) -> None:
    edits = (*EDITS, Edit("apps/other.yaml", "a", 2), Edit(PATH, "spec.replicas", 4))
    made = await ask(git, wanted(edits))
    assert git.read(made.commit, "apps/other.yaml") == b"a: 2\n"
    assert b"replicas: 4" in git.read(made.commit, PATH)
    assert made.branch == name_branch("ml", "fraud", "main", edits[::-1])


async def test_a_protected_branch_is_refused_in_the_servers_words(real: GitServer) -> None:
    real.protect("serinus/*")
    said = await ask(real)
    assert isinstance(said, Refused)
    assert said.message.startswith(f"{real.host} does not take branch {HEAD}: hook declined")
    assert "GH006: Protected branch" in said.message
    assert list(real.branches()) == ["main"]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (Edit("apps/nothing.yaml", "a", 1), "there is no file apps/nothing.yaml"),
        (Edit("nowhere/model.yaml", "a", 1), "there is no file nowhere/model.yaml"),
        (Edit("README.md/x.yaml", "a", 1), "README.md is no folder"),
        (Edit("link.yaml", "a", 1), "link.yaml is no regular file"),
        (Edit(PATH, "spec.model.digest", "x"), f"{PATH}: has no spec.model.digest"),
        (Edit("latin.yaml", "a", "x"), "latin.yaml is no text in UTF-8"),
    ],
)
async def test_what_is_missing_is_named(git: GitServer, edit: Edit, said: str) -> None:
    git.commit({"link.yaml": b"-> apps/other.yaml", "latin.yaml": b"a: \xe4\n"})
    outcome = await ask(git, wanted((edit,)))
    assert isinstance(outcome, Refused)
    assert said in outcome.message
    assert list(git.branches()) == ["main"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (wanted((Edit("../x.yaml", "a", 1),)), "no path within"),
        (wanted((Edit("/etc/x.yaml", "a", 1),)), "no path within"),
        (wanted((Edit("a/.GIT/x.yaml", "a", 1),)), "no path within"),
        (wanted((Edit("Makefile", "a", 1),)), "not named .yaml"),
        (wanted(()), "there are none"),
        (wanted(tuple(Edit(f"{i}.yaml", "a", 1) for i in range(21))), "21 files, more than 20"),
        (wanted(base="main..x"), "no name of a branch"),
        (wanted(head="main"), "is the branch to be changed"),
        (dataclasses.replace(wanted(), author=("a\nb", "c")), "author"),
    ],
)
async def test_a_change_that_cannot_be_is_not_asked_for(git: GitServer, change: Change, said: str) -> None:
    outcome = await ask(git, change)
    assert isinstance(outcome, Refused)
    assert said in outcome.message
    assert git.asked == []


async def test_a_wrong_token_and_an_unknown_repository_need_a_person(git: GitServer) -> None:
    wrong = await ask(git, token="another")
    assert wrong == Refused(f"{git.host} does not accept the token (HTTP 401)")
    gone = await ask(git, url=f"http://{git.host}/payments/gone.git")
    assert isinstance(gone, Refused)
    missing = await ask(git, wanted(base="nobody"))
    assert missing == Refused("the repository has no branch nobody")


async def test_hosts_that_are_not_allowed_are_not_asked(git: GitServer) -> None:
    for hosts in ({}, {"github.com": "https"}, {git.host: "https"}):
        said = await ask(git, hosts=hosts)
        assert isinstance(said, Refused)
        assert "SERINUS_GIT_HOSTS" in said.message
    assert git.asked == []


async def test_a_redirect_is_not_followed_and_gets_no_token(git: GitServer) -> None:
    def redirect(request: BaseHTTPRequestHandler) -> bool:
        answer(request, 302, {"Location": f"http://{git.host}/elsewhere/info/refs?service=git-upload-pack"})
        return True

    git.fault = redirect
    said = await ask(git)
    assert isinstance(said, Refused)
    assert "HTTP 302" in said.message
    assert len(git.asked) == 1


@pytest.mark.parametrize(
    ("status", "headers", "outcome"),
    [
        (503, {}, Away),
        (429, {}, Away),
        (403, {}, Refused),
        (403, {"X-RateLimit-Remaining": "0"}, Away),
        (404, {}, Refused),
        (200, {"Content-Type": "text/html"}, Refused),
        (200, {"Content-Type": "application/x-git-upload-pack-advertisement"}, Away),
    ],
)
async def test_what_the_server_says_instead(
    git: GitServer, status: int, headers: dict[str, str], outcome: type
) -> None:
    def fault(request: BaseHTTPRequestHandler) -> bool:
        answer(request, status, headers, b"<html>login</html>")
        return True

    git.fault = fault
    assert isinstance(await ask(git), outcome)


async def test_a_server_that_is_away_or_silent_is_asked_again_later(git: GitServer) -> None:
    nobody = await ask(git, url="http://127.0.0.1:9/x/y", hosts={"127.0.0.1:9": "http"})
    assert isinstance(nobody, Away)

    def drip(request: BaseHTTPRequestHandler) -> bool:
        request.send_response(200)
        request.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
        request.send_header("Content-Length", "1000000")
        request.end_headers()
        for _ in range(400):
            request.wfile.write(b"0")
            time.sleep(0.05)
        return True

    git.fault = drip
    begun = time.monotonic()
    silent = await ask(git, limits=Limits(seconds=0.5))
    assert isinstance(silent, Away)
    assert time.monotonic() - begun < 15


async def test_an_authority_of_ones_own_is_trusted_where_the_secret_holds_it(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with serve(tmp_path, "dulwich", authority.server_context()) as git:
        git.create({PATH: FILE})
        outcomes = {}
        for name, pem in (
            ("ours", authority.pem),
            ("system", None),
            ("another", Authority(tmp_path).pem),
            ("none", "x"),
        ):
            access = GitAccess(git.address.replace("http:", "https:"), USER, TOKEN, authorities=pem)
            outcomes[name] = await open_branch_commit(access, {git.host: "https"}, wanted())
    assert isinstance(outcomes["ours"], Committed)
    for name in ("system", "another"):
        assert outcomes[name] == Refused(
            f"{git.host} has no certificate that is trusted; another authority goes into key ca.crt"
        )
    assert outcomes["none"] == Refused("key ca.crt of the Secret holds no certificates in PEM form")


def test_a_silent_server_does_not_keep_the_process_from_ending(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"

        async def start() -> None:
            access = GitAccess(f"http://{host}/a/b", USER, TOKEN)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await open_branch_commit(access, {host: "http"}, wanted(), Limits(seconds=30))

        begun = time.monotonic()
        asyncio.run(start())
        assert time.monotonic() - begun < 15


async def test_nothing_secret_is_logged(git: GitServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    await ask(git)
    await ask(git, token="another-t0ken")
    basic = base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()
    assert not [word for word in (TOKEN, basic, "another-t0ken") if word in caplog.text]


async def test_a_repository_that_is_too_large_is_refused(real: GitServer) -> None:
    real.configure("uploadpack", "allowFilter", "false")
    said = await ask(real, limits=Limits(unpacked=200_000))
    assert isinstance(said, Refused)
    assert "more than 200,000 bytes unpacked" in said.message
    said = await ask(real, limits=Limits(packed=300))
    assert isinstance(said, Refused)
    assert "sends more than may be read" in said.message
    assert isinstance(await ask(real), Committed)


async def test_of_a_server_that_can_only_what_is_changed_is_fetched(real: GitServer) -> None:
    assert isinstance(await ask(real, limits=Limits(unpacked=5_000)), Committed)


async def test_a_server_that_then_will_not_give_single_files_is_asked_for_everything(real: GitServer) -> None:
    def refuse_the_second_fetch(request: BaseHTTPRequestHandler) -> bool:
        if request.command != "POST" or sum(line.startswith("POST") for line in real.asked) != 4:
            return False
        answer(
            request,
            200,
            {"Content-Type": "application/x-git-upload-pack-result"},
            b"0022ERR upload-pack: not our ref 1",
        )
        return True

    real.fault = refuse_the_second_fetch
    made = await ask(real)
    assert isinstance(made, Committed), made
    assert b"fraud/7" in real.read(made.commit, PATH)


async def test_branches_of_the_policy_are_removed_and_no_others(git: GitServer) -> None:
    old = await ask(git)
    new = await ask(git, wanted((Edit(PATH, "spec.model.uri", "models:/fraud/8"),)))
    worked_on = (await ask(git, wanted((Edit(PATH, "spec.replicas", 9),)))).branch
    git.commit({"README.md": b"reviewed"}, worked_on)
    git.commit({"README.md": b"x"}, "serinus/ml/fraud-2/0123")
    access, prefix = GitAccess(git.address, USER, TOKEN), name_branches("ml", "fraud")
    assert await drop_superseded(access, {git.host: "http"}, prefix, new.branch) == Deleted((old.branch,))
    assert sorted(git.branches()) == sorted(["main", new.branch, worked_on, "serinus/ml/fraud-2/0123"])
    assert await drop_superseded(access, {git.host: "http"}, prefix, new.branch) == Deleted(())
    assert isinstance(await drop_superseded(access, {git.host: "http"}, "serinus/", new.branch), Refused)


async def test_without_the_library_the_extra_is_named(git: GitServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "serinus.forge.branch", None)
    said = await ask(git)
    assert isinstance(said, Refused)
    assert "extra `git`" in said.message
    assert base64.b64encode(TOKEN.encode()).decode() not in said.message
