"""The choice of a cluster, and what would be dangerous to get wrong in the harness: names, pids, locks."""

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cluster import bootstrap, build, netns, paths, sandbox
from tests.cluster.discovery import find_targets
from tests.cluster.errors import ClusterError
from tests.cluster.ground import Machine, choose_ground, look_at_machine
from tests.cluster.process import Processes

DEBIAN = Machine("debian 12", 0, "", frozenset(), docker_answers=False, isolates=True)
LAPTOP = Machine("darwin", 501, "", frozenset({"docker", "kind", "kubectl"}), docker_answers=True, isolates=False)


@pytest.mark.parametrize(
    ("machine", "ground"),
    [
        pytest.param(DEBIAN, "own", id="Debian as root"),
        pytest.param(LAPTOP, "kind", id="Docker and kind"),
        pytest.param(replace(LAPTOP, context="kind-mine"), "current-context", id="a kind cluster in use"),
        pytest.param(replace(LAPTOP, context="production"), "kind", id="another cluster in use is left alone"),
        pytest.param(replace(DEBIAN, context="production"), "own", id="on Debian too"),
        pytest.param(replace(LAPTOP, system="ubuntu 24.04", uid=0), "kind", id="Docker and root: Docker is enough"),
        pytest.param(replace(DEBIAN, programs=frozenset({"docker"}), docker_answers=True), "own", id="Docker, no kind"),
    ],
)
def test_the_choice(machine: Machine, ground: str) -> None:
    assert choose_ground(machine) == ground


@pytest.mark.parametrize(
    "machine",
    [
        pytest.param(replace(DEBIAN, uid=1000), id="Debian, not root"),
        pytest.param(replace(LAPTOP, docker_answers=False), id="Docker is not running"),
        pytest.param(replace(LAPTOP, programs=frozenset({"docker"})), id="Docker without kind"),
        pytest.param(replace(DEBIAN, system="ubuntu 24.04"), id="root, not Debian"),
        pytest.param(replace(DEBIAN, system="debian 11"), id="another Debian"),
        pytest.param(replace(DEBIAN, isolates=False), id="root in an ordinary container"),
        pytest.param(replace(DEBIAN, context="kind-x", programs=frozenset({"kubectl"})), id="no kind"),
    ],
)
def test_a_machine_that_can_have_none_is_told_both_ways(machine: Machine) -> None:
    with pytest.raises(ClusterError, match=r"kind create cluster --config kind-config\.yaml.*Debian 12 as root"):
        choose_ground(machine)


def test_the_machine_that_was_found_is_described() -> None:
    with pytest.raises(ClusterError, match=r"This is debian 11 as uid 0 with docker; Docker does not answer$"):
        choose_ground(replace(DEBIAN, system="debian 11", programs=frozenset({"docker"})))
    with pytest.raises(ClusterError, match="a container needs --privileged"):
        choose_ground(replace(DEBIAN, isolates=False))


def test_the_system_is_a_name_with_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def look(about: dict[str, str]) -> str:
        monkeypatch.setattr("platform.freedesktop_os_release", lambda: about)
        return look_at_machine({"PATH": ""}).system

    assert look({"ID": "debian", "VERSION_ID": "12"}) == "debian 12"
    assert look({"ID": "debian", "NAME": "Debian of tomorrow"}) == "debian"


def test_the_machine_is_looked_at_through_its_programs(tmp_path: Path) -> None:
    for name, says in (("kubectl", "kind-mine"), ("docker", "29.0"), ("kind", "")):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {says}\n")
        (tmp_path / name).chmod(0o755)
    machine = look_at_machine({"PATH": str(tmp_path)})
    assert (machine.context, machine.docker_answers) == ("kind-mine", True)
    assert machine.programs == {"kubectl", "docker", "kind"}
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "kubectl").write_text("#!/bin/sh\nexit 1\n")
    machine = look_at_machine({"PATH": str(tmp_path)})
    assert (machine.context, machine.docker_answers) == ("", False)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "Big", "-a", "a" * 41])
def test_a_name_that_is_none_is_refused_since_its_folder_would_be_removed(name: str) -> None:
    with pytest.raises(ClusterError, match="no name for a cluster"):
        paths.state(name)


def test_a_folder_too_long_for_sockets_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ("long" * 20)))
    with pytest.raises(ClusterError, match="too long a path"):
        paths.state("demo")


def test_a_lock_is_held_against_other_processes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    ask = "import fcntl, sys; fcntl.flock(open(sys.argv[1], 'w'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    command = [sys.executable, "-c", ask, str(tmp_path / "serinus" / "locks" / "x")]
    with paths.hold_lock("x"):
        assert subprocess.run(command, capture_output=True, check=False).returncode != 0
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_a_process_is_started_once_found_again_and_stopped(tmp_path: Path) -> None:
    processes = Processes(tmp_path, "")
    pid = processes.start("sleeper", ["sleep", "60"])
    assert processes.start("sleeper", ["sleep", "60"]) == pid
    assert Processes(tmp_path, "").pid("sleeper") == pid
    processes.stop("sleeper")
    assert processes.pid("sleeper") is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_process_that_will_not_end_is_made_to(tmp_path: Path) -> None:
    processes = Processes(tmp_path, "")
    processes.start("stubborn", ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"])
    processes.wait_for("its trap", lambda: "ready" in processes.tail("stubborn"), "stubborn")
    processes.stop("stubborn", patience=0.2)
    assert processes.pid("stubborn") is None


def test_a_pid_that_is_somebody_elses_by_now_is_not_ours(tmp_path: Path) -> None:
    processes = Processes(tmp_path, "")
    with subprocess.Popen(["sleep", "60"]) as other:
        (tmp_path / "pids").mkdir()
        (tmp_path / "pids" / "ours").write_text(f"{other.pid} 1")
        assert processes.pid("ours") is None
        processes.stop("ours")
        assert other.poll() is None
        other.send_signal(signal.SIGKILL)


def test_waiting_for_a_process_that_died_tells_what_it_said(tmp_path: Path) -> None:
    processes = Processes(tmp_path, "")
    processes.start("short", ["sh", "-c", "echo the disk is full; exit 3"])
    with pytest.raises(ClusterError, match=r"short ended[\s\S]*the disk is full"):
        processes.wait_for("something", lambda: False, "short")


def test_programs_given_from_outside_are_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    built = tmp_path / "built" / "kubernetes"
    built.parent.mkdir()
    built.touch()
    assets = tmp_path / "assets"
    assets.mkdir()
    (assets / "etcd").touch()
    monkeypatch.setattr(build, "build", lambda _module: built)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))
    folder = build.kubernetes_binaries()
    assert (folder / "etcd").resolve() == assets / "etcd"
    assert (folder / "kubelet").resolve() == built
    monkeypatch.delenv("KUBEBUILDER_ASSETS")
    assert (build.kubernetes_binaries() / "etcd").resolve() == built


@pytest.mark.parametrize(
    ("version", "is_taken"),
    [("go1.26.8", True), ("go1.25", True), ("go1.25rc1", True), ("go1.19.8", False), ("nonsense", False)],
)
def test_a_go_that_is_too_old_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, is_taken: bool
) -> None:
    (tmp_path / "go").write_text(f"#!/bin/sh\necho go version {version} linux/amd64\n")
    (tmp_path / "go").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(bootstrap, "python_tools", lambda package: Path("/tools") / package)
    assert bootstrap.find_go() == (str(tmp_path / "go") if is_taken else f"/tools/{bootstrap.GO}/go")


def test_an_environment_without_home_and_system_programs_is_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    home = str(Path.home())
    monkeypatch.setenv("PATH", "/usr/bin:/sbin")
    monkeypatch.delenv("HOME")
    bootstrap.complete_environment()
    assert os.environ["PATH"] == "/usr/bin:/sbin:/usr/local/sbin:/usr/sbin"
    assert Path(os.environ["HOME"]).is_dir()
    monkeypatch.setenv("HOME", home)
    bootstrap.complete_environment()
    assert os.environ["HOME"] == home


def test_a_service_that_came_with_a_package_is_not_left_to_start_at_the_next_boot(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(bootstrap, "run_command", lambda command, **_environment: commands.append(command))
    monkeypatch.setattr(bootstrap, "_no_services", contextlib.nullcontext)
    (tmp_path / "systemctl").write_text("#!/bin/sh\n")
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    bootstrap._install(["prometheus", "runc"])
    assert commands[-1] == ["systemctl", "--quiet", "disable", "prometheus.service"]
    commands.clear()
    bootstrap._install(["runc"])
    assert [command[0] for command in commands] == ["apt-get", "apt-get"]


def test_processes_leave_the_root_of_a_container_but_not_that_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").write_text("4321\n")
    sandbox._move_processes_aside(tmp_path)
    assert not (tmp_path / "init").exists()
    (tmp_path / "cgroup.type").write_text("domain\n")
    sandbox._move_processes_aside(tmp_path)
    assert (tmp_path / "init" / "cgroup.procs").read_text() == "4321"


def test_only_running_pods_that_ask_for_it_are_scraped() -> None:
    def build_pod(name: str, ip: str | None, phase: str = "Running", **wishes: str) -> dict[str, object]:
        annotations = {f"prometheus.io/{key}": value for key, value in wishes.items()}
        metadata = {"name": name, "namespace": "ml", "annotations": annotations}
        return {"metadata": metadata, "status": {"phase": phase, "podIP": ip}}

    pods = [
        build_pod("asks", "10.244.0.5", scrape="true", port="9000"),
        build_pod("asks-not", "10.244.0.6"),
        build_pod("is-over", "10.244.0.7", phase="Succeeded", scrape="true"),
        build_pod("has-no-address", None, scrape="true"),
    ]
    assert find_targets(pods) == [{"targets": ["10.244.0.5:9000"], "labels": {"namespace": "ml", "pod": "asks"}}]


def test_without_a_namespace_commands_run_as_they_are() -> None:
    assert netns.enter("") == []
