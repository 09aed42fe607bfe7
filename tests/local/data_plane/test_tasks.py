"""Tasks as processes."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.clock import SystemClock
from reconciler.local import containers, programs, usage
from reconciler.local.addresses import Addresses
from reconciler.local.container_options import ContainerHealthCheck, Dependency, Mount, RestartPolicy
from reconciler.local.data_plane import DataPlane
from reconciler.local.logs import MOST_LINES
from reconciler.local.ports import ContainerLaunch, TaskLaunch
from tests.local.data_plane.control import Recorder
from tests.local.data_plane.stage import alive

ROOT = Path(__file__).parents[3]
HOST = "000000000000.dkr.ecr.us-east-1.amazonaws.com"


def shell(line: str, name: str = "main", **more: object) -> ContainerLaunch:
    values: dict[str, object] = {"environment": {}, "command": ("sh", "-c", line), "log_group": "/logs", **more}
    return ContainerLaunch(name, "busybox", log_stream=f"stream/{name}", **values)  # type: ignore[arg-type]


def task(*launched: ContainerLaunch, name: str = "t1") -> TaskLaunch:
    return TaskLaunch(name, f"arn:{name}", "cluster", "service:s", "family", 1, "10.0.1.37", launched)


def web(plane: DataPlane, tag: str = "v1", environment: Mapping[str, str] | None = None) -> ContainerLaunch:
    plane.registry.push(ROOT / "app", "hello", tag)
    return ContainerLaunch("web", f"{HOST}/hello:{tag}", {"VERSION": tag, **(environment or {})}, ports=(80,))


def wait_for(control: Recorder, url: str) -> None:
    control.until(lambda: answering(url))


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())


def answering(url: str) -> bool:
    try:
        get(url)
    except OSError:
        return False
    return True


def test_each_task_listens_on_an_address_of_its_own(plane: DataPlane, control: Recorder) -> None:
    """Two tasks of one image have the same port, other addresses, and both answer."""
    for name in ("t1", "t2"):
        plane.runner.start(task(web(plane), name=name))
    control.until(lambda: len(control.started) == 2)
    places = list(control.started.values())
    assert places[0][0] != places[1][0]
    for address, ports in places:
        url = f"http://{address}:{ports[80]}/"
        wait_for(control, url)
        assert "version v1 on ip-10-0-1-37" in get(url)


def test_a_tag_that_is_not_there_fails_as_on_aws(plane: DataPlane, control: Recorder) -> None:
    """CannotPullContainerError, and nothing else is ever reported."""
    plane.runner.start(task(ContainerLaunch("web", f"{HOST}/hello:v9", {})))
    control.until(lambda: control.failed)
    assert control.failed["t1"].startswith("CannotPullContainerError: pull image manifest has been retried 1 time(s)")
    assert control.failed["t1"].endswith("hello:v9: not found")
    assert not control.started


def test_a_program_that_is_not_there_fails_as_on_aws(plane: DataPlane, control: Recorder) -> None:
    """CannotStartContainerError names the program."""
    plane.runner.start(task(ContainerLaunch("main", "busybox", {}, command=("no-such-program",))))
    control.until(lambda: control.failed)
    assert control.failed["t1"].startswith("CannotStartContainerError: ")
    assert 'exec: "no-such-program": executable file not found in $PATH: unknown' in control.failed["t1"]


@pytest.mark.parametrize(
    ("line", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -SEGV $$", 139), ("kill -TERM $$", 143)]
)
def test_the_exit_code_is_reported(plane: DataPlane, control: Recorder, line: str, code: int) -> None:
    """As a shell says it: 128 and the signal's number when a signal ended it."""
    plane.runner.start(task(shell(line)))
    control.until(lambda: control.exits)
    assert control.exits == [("t1", "main", code)]
    assert "t1" in control.started


def test_output_becomes_log_lines_before_the_exit_is_told(plane: DataPlane, control: Recorder) -> None:
    """stdout and stderr, the last line without a newline too, in the container's group and stream."""
    plane.runner.start(task(shell("echo one; echo two >&2; echo; printf three")))
    control.until(lambda: control.exits)
    assert control.lines == [("/logs", "stream/main", text) for text in ("one", "two", "three")]


def test_a_flood_of_output_is_read_no_faster_than_it_is_written(plane: DataPlane, control: Recorder) -> None:
    """Its program waits for its log, and no call has many more lines than AWS takes; none is lost."""
    plane.runner.start(task(shell("yes | head -n 60000")))
    control.until(lambda: control.exits)
    assert len(control.lines) == 60_000
    assert max(control.batches) < MOST_LINES + 64 * 1024  # what the pipe holds comes at once


def test_a_task_sees_nothing_of_this_environment(
    plane: DataPlane, control: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credentials do not leak into tasks; what the task definition says does."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-secret")
    plane.runner.start(task(shell("env", environment={"GREETING": "Hello there", "HOST": "0.0.0.0"}, ports=(80,))))
    control.until(lambda: control.exits)
    seen = dict(text.split("=", 1) for _, _, text in control.lines)
    assert seen["GREETING"] == "Hello there"
    assert seen["HOST"] == control.started["t1"][0]
    assert seen["PORT"] == str(control.started["t1"][1][80])
    assert seen["HOSTNAME"] == "ip-10-0-1-37"
    assert not any("canary" in text for _, _, text in control.lines)
    assert not any(name.startswith("ECS_CONTAINER_METADATA") for name in seen)


def test_sigterm_comes_first(plane: DataPlane, control: Recorder) -> None:
    """A program that ends on SIGTERM ends with its own code."""
    plane.runner.start(task(shell("trap 'exit 7' TERM; echo ready; while :; do read x < /dev/zero & wait; done")))
    control.until(lambda: control.lines)
    plane.runner.stop("t1", "bye")
    plane.runner.stop("t1", "bye again")
    control.until(lambda: control.exits)
    assert control.exits == [("t1", "main", 7)]


def test_sigkill_comes_after_the_stop_timeout(
    plane: DataPlane, control: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that ignores SIGTERM ends with 137."""
    monkeypatch.setattr(containers, "SHORTEST_STOP", 0.1)
    plane.runner.start(task(shell("trap '' TERM; echo ready; while :; do sleep 1; done", stop_timeout=0.2)))
    control.until(lambda: control.lines)
    plane.runner.stop("t1", "bye")
    control.until(lambda: control.exits)
    assert control.exits == [("t1", "main", 137)]


def test_a_task_that_is_killed_is_noticed_at_once(plane: DataPlane, control: Recorder) -> None:
    """Within a second, with 137."""
    plane.runner.start(task(shell("sleep 60")))
    control.until(lambda: control.started)
    plane.runner.kill("t1")
    control.until(lambda: control.exits, seconds=1)
    assert control.exits == [("t1", "main", 137)]


def test_what_a_program_has_started_ends_with_it(plane: DataPlane, control: Recorder) -> None:
    """No child of a container outlives it."""
    plane.runner.start(task(shell("sleep 60 & echo $!; exit 0")))
    control.until(lambda: control.exits)
    child = int(control.lines[0][2])
    control.until(lambda: not alive(child))


def test_the_end_of_an_essential_container_is_the_tasks(plane: DataPlane, control: Recorder) -> None:
    """The others are asked to end; each tells its code."""
    plane.runner.start(task(shell("exit 1", "main"), shell("exec sleep 60", "sidecar", essential=False)))
    control.until(lambda: len(control.exits) == 2)
    assert control.exits == [("t1", "main", 1), ("t1", "sidecar", 143)]


def test_the_end_of_another_container_is_not(plane: DataPlane, control: Recorder) -> None:
    """A container that is not essential may come and go."""
    plane.runner.start(task(shell("sleep 60", "main"), shell("exit 1", "extra", essential=False)))
    control.until(lambda: control.exits)
    assert control.exits == [("t1", "extra", 1)]
    assert control.started


def test_a_container_waits_for_what_it_depends_on(plane: DataPlane, control: Recorder) -> None:
    """The order is that of the dependencies; an early exit is told after the start."""
    plane.runner.start(
        task(
            shell("echo main; exec sleep 60", "main", depends_on=(Dependency("init", "SUCCESS"),)),
            shell("echo init", "init", essential=False),
        )
    )
    control.until(lambda: len(control.lines) == 2 and control.exits)
    assert [text for _, _, text in control.lines] == ["init", "main"]
    assert control.exits == [("t1", "init", 0)]


def test_a_dependency_that_fails_fails_the_task(plane: DataPlane, control: Recorder) -> None:
    """The task never started, and the reason names both containers."""
    plane.runner.start(
        task(
            shell("sleep 60", "main", depends_on=(Dependency("init", "SUCCESS"),)),
            shell("exit 1", "init", essential=False),
        )
    )
    control.until(lambda: control.failed)
    assert "[init:SUCCESS] for target [main] as dependency did not exit successfully" in control.failed["t1"]
    assert not control.started
    assert not control.exits


def test_a_stop_before_the_start_is_a_failure_to_start(plane: DataPlane, control: Recorder) -> None:
    """Exactly one of the two is told, here the failure, with the reason of the stop."""
    plane.runner.start(
        task(
            shell("sleep 60", "main", depends_on=(Dependency("init", "COMPLETE"),)),
            shell("exec sleep 60", "init", essential=False),
        )
    )
    plane.runner.stop("t1", "scaled in")
    control.until(lambda: control.failed)
    assert control.failed == {"t1": "scaled in"}
    assert not control.started


def test_nothing_happens_to_a_task_that_is_not_known(plane: DataPlane, control: Recorder) -> None:
    """Stopping or killing it is no error."""
    plane.runner.stop("nobody", "bye")
    plane.runner.kill("nobody")
    plane.runner.start(task(shell("exit 0")))
    control.until(lambda: control.exits)


def test_a_containers_own_health_check_decides_and_changes_its_mind(plane: DataPlane, control: Recorder) -> None:
    """Healthy at the first pass, unhealthy after so many failures in a row; the check runs where the container does."""
    check = ContainerHealthCheck(("CMD-SHELL", "test -e healthy"), interval=0.05, retries=2)
    plane.runner.start(task(shell("touch healthy; sleep 0.5; rm healthy; exec sleep 60", health_check=check)))
    control.until(lambda: len(control.health) == 2)
    assert control.health == [("t1", "main", True), ("t1", "main", False)]


def test_in_a_health_check_localhost_is_the_tasks_address() -> None:
    """As it is in a container; other hosts stay what they are."""
    ask = programs.at_home(
        ("CMD-SHELL", "curl -f http://localhost/ && curl 127.0.0.1:8080/x || curl http://localhost.example.com"),
        address="127.31.0.50",
        ports={80: 10080},
    )
    assert ask[2] == (
        "curl -f http://127.31.0.50:10080/ && curl 127.31.0.50:8080/x || curl http://localhost.example.com"
    )


def test_the_public_nginx_runs_and_is_healthy(plane: DataPlane, control: Recorder) -> None:
    """A standalone task of the public image answers with a welcome page, and SIGTERM ends it with 0."""
    image = "public.ecr.aws/nginx/nginx:stable"
    plane.runner.start(task(ContainerLaunch("web", image, {}, ports=(80,))))
    control.until(lambda: control.started)
    address, ports = control.started["t1"]
    control.until(lambda: answering(f"http://{address}:{ports[80]}/"))
    assert "Welcome to nginx!" in get(f"http://{address}:{ports[80]}/")
    plane.runner.stop("t1", "bye")
    control.until(lambda: control.exits)
    assert control.exits == [("t1", "web", 0)]


def test_without_loopback_addresses_tasks_share_one(tmp_path: Path, control: Recorder) -> None:
    """On 127.0.0.1 each task gets a port of its own, and is told it."""
    with DataPlane(tmp_path, SystemClock(), addresses=Addresses(shared=True)) as plane:
        plane.bind(control)
        for name in ("t1", "t2"):
            plane.runner.start(task(web(plane, environment={"PORT": "80"}), name=name))
        control.until(lambda: len(control.started) == 2)
        urls = {f"http://{address}:{ports[80]}/" for address, ports in control.started.values()}
        assert len(urls) == 2
        for url in urls:
            wait_for(control, url)


def test_a_reset_ends_everything_without_a_word(plane: DataPlane, control: Recorder) -> None:
    """No report comes of what was thrown away; what is started after it runs."""
    plane.runner.start(task(shell("echo $$; exec sleep 60")))
    control.until(lambda: control.lines)
    process = int(control.lines[0][2])
    plane.runner.reset()
    plane.runner.start(task(shell("exit 0"), name="t2"))
    control.until(lambda: control.exits)
    control.until(lambda: not alive(process))
    assert control.exits == [("t2", "main", 0)]


def test_each_task_has_its_own_copy_of_the_image(plane: DataPlane, control: Recorder, tmp_path: Path) -> None:
    """What one writes no other sees, and nothing of it is left."""
    folder = tmp_path / "image"
    folder.mkdir()
    (folder / "Dockerfile").write_text('CMD ["sh", "-c", "ls; pwd; touch mine"]\n')
    plane.registry.push(folder, "writer", "v1")
    for name in ("t1", "t2"):
        plane.runner.start(
            task(ContainerLaunch("main", f"{HOST}/writer:v1", {}, log_group="/logs", log_stream=name), name=name)
        )
    control.until(lambda: len(control.exits) == 2)
    assert [text for _, _, text in control.lines if "/" not in text] == ["Dockerfile", "Dockerfile"]
    folders = [Path(text) for _, _, text in control.lines if "/" in text]
    control.until(lambda: not any(folder.exists() for folder in folders))


def test_closing_waits_for_no_program_that_will_not_end(
    tmp_path: Path, control: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person who pressed Ctrl-C does not wait for a stop timeout of a minute; closing twice is closing once."""
    monkeypatch.setattr(containers, "SHORTEST_STOP", 0.1)
    plane = DataPlane(tmp_path, SystemClock())
    plane.bind(control)
    plane.runner.start(task(shell("trap '' TERM; echo $$; while :; do sleep 1; done", stop_timeout=60.0)))
    control.until(lambda: control.lines)
    plane.runner.stop("t1", "bye")
    plane.close()
    plane.close()
    assert not alive(int(control.lines[0][2]))
    assert control.exits == []


# ---- usage ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not usage.MEASURABLE, reason="no /proc")
def test_the_usage_of_a_task_is_measured_in_percent_of_what_it_has_reserved(
    plane: DataPlane, control: Recorder
) -> None:
    """CPU time and memory of all processes of a task, those included that its program has started."""
    busy, idle = shell("sh -c 'while :; do :; done' & wait"), shell("sleep 60")
    plane.runner.start(replace(task(busy, name="busy"), cpu=4.0, memory=512.0))
    plane.runner.start(replace(task(idle, name="idle"), cpu=4.0, memory=512.0))
    control.until(lambda: len(control.started) == 2)

    def measured() -> bool:
        plane.runner.measure()
        return any(one.cpu for found in control.usage for one in found.values())

    control.until(measured)
    found = control.usage[-1]
    assert found["busy"].cpu is not None
    assert found["idle"].cpu is not None
    assert 1 < found["busy"].cpu <= 30
    assert found["idle"].cpu < 1
    assert all(one.memory is not None and 0 < one.memory < 10 for one in found.values())


@pytest.mark.skipif(not usage.MEASURABLE, reason="no /proc")
def test_a_task_that_is_over_has_no_usage(plane: DataPlane, control: Recorder) -> None:
    """Also within the second for which a measurement is told again."""
    plane.runner.start(replace(task(shell("sleep 60")), cpu=1.0, memory=512.0))
    control.until(lambda: control.started)
    plane.runner.measure()
    control.until(lambda: control.usage)
    plane.runner.kill("t1")
    control.until(lambda: control.exits)

    def gone() -> bool:
        plane.runner.measure()
        return control.usage[-1] == {}

    control.until(gone)


def said(control: Recorder, stream: str) -> list[str]:
    return [text for _, of, text in control.lines if of == stream]


def test_containers_share_the_volumes_of_their_task(plane: DataPlane, control: Recorder) -> None:
    """A link below the image's folder and a variable lead to one folder, and file systems are those of all tasks."""
    own, system = Mount("scratch", "/app/scratch"), Mount("all-data", "/data", "fs-1/sub")
    writes = shell("echo own > scratch/a; echo all > $RECONCILER_VOLUME_ALL_DATA/b; sleep 60", mounts=(own, system))
    reads = shell(
        "while ! cat ../volume/a 2>/dev/null; do sleep 0.05; done; cat ../data/b; exit 3",
        name="reader",
        mounts=(Mount("scratch", "/volume"), system),
        depends_on=(Dependency("main", "START"),),
    )
    plane.runner.start(task(writes, replace(reads, essential=False)))
    control.until(lambda: ("t1", "reader", 3) in control.exits)
    assert said(control, "stream/reader") == ["own", "all"]
    other = shell("cat $RECONCILER_VOLUME_ALL_DATA/b; test ! -e scratch/a", mounts=(own, system))
    plane.runner.start(task(other, name="t2"))
    control.until(lambda: ("t2", "main", 0) in control.exits)


def test_a_container_is_restarted_unless_it_ended_too_soon_or_as_it_should(plane: DataPlane, control: Recorder) -> None:
    """It runs again under its policy, in the same task, and an exit code that is ignored ends it."""
    count = "echo run; test $(cat runs 2>/dev/null | wc -l) -ge 2 && exit 7; echo x >> runs; exit 1"
    plane.runner.start(task(shell(count, restart=RestartPolicy(0.0, (7,)))))
    control.until(lambda: ("t1", "main", 7) in control.exits)
    assert said(control, "stream/main") == ["run"] * 3
    plane.runner.start(task(shell("exit 1", restart=RestartPolicy(3600.0)), name="t2"))
    control.until(lambda: ("t2", "main", 1) in control.exits)


def test_a_working_directory_is_below_the_image(plane: DataPlane, control: Recorder) -> None:
    """It is made where the image has none, as by Docker."""
    plane.runner.start(task(shell("pwd; exit 4", working_directory="/srv/work")))
    control.until(lambda: ("t1", "main", 4) in control.exits)
    assert said(control, "stream/main")[0].endswith("/main/srv/work")
