"""Causes for containers that do not start or that stop."""

from __future__ import annotations

from typing import Final

from reconciler.diagnosis.causes.cause import Cause, Level, Match

EXITED: Final = "EssentialContainerExited|"  # or not said at all
LOG: Final = ""  # the last log lines say why, and are shown


def _exit(code: str, title: str, explanation: str, check: str = LOG) -> Cause:
    return Cause(f"exit-{code}", title, explanation, check, (Match(stop_code=EXITED, exit_code=code),), level=Level.END)


START: Final = (
    Cause(
        "wrong-architecture",
        "the program is built for another CPU architecture",
        "{container} cannot run {program}: it is built for another CPU architecture, or is a script without a #! line",
        "build {image} for the task's architecture, or change the task's architecture",
        (Match(said=r"exec format error"), Match(log=r"exec format error")),
    ),
    Cause(
        "command-not-found",
        "the command does not exist in the image",
        "{container} runs {program}, which does not exist in {image}",
        "correct command or entrypoint; the image may lack a shell, or a mount may hide the program",
        (
            Match(said=r"executable file not found"),
            Match(said=r"(?:CannotStart|OCI runtime).*exec.*no such file or dir"),
        ),
    ),
    Cause(
        "command-not-executable",
        "the command is not executable",
        "the container's user cannot execute {program} in {image}",
        "make it executable in the image (chmod +x), or run it through its interpreter",
        (Match(said=r"(?:CannotStart|OCI runtime).*exec.*permission denied"),),
    ),
    Cause(
        "user-missing",
        "the user does not exist in the image",
        "{user} does not exist in {image}",
        "use a user that exists in the image, or a numeric id",
        (
            Match(said=r"unable to find user"),
            Match(said=r"no matching entries in passwd file"),
            Match(said=r"no users found"),
            Match(said=r"etc/passwd: no such file"),
        ),
    ),
    Cause(
        "start-timeout",
        "the container did not start in time",
        "{container} did not start within {limit}",
        "check what it waits for; also check start_timeout and slow volumes",
        (Match(said=r"(?:ContainerRuntime|Docker)TimeoutError.*transition to (?:running|started|created)"),),
    ),
    Cause(
        "out-of-memory",
        "the container ran out of memory",
        "{container} exceeded its memory limit and was killed ({seen})",
        "raise memory, or reduce what the application uses (heap, workers)",
        (Match(said=r"OutOfMemoryError: Container killed"),),
    ),
    Cause(
        "dependency-unhealthy",
        "a container that others depend on is not healthy",
        "{container} did not become healthy, so the containers that depend on it did not start",
        "check its health check's command and start_period",
        (Match(stop_code="TaskFailedToStart", said=r"^Task failed to start\.?$", health="UNHEALTHY"),),
    ),
    Cause(
        "dependency-failed",
        "a container that others depend on failed",
        "{container} exited with code {exit_code} before the task was running",
        LOG,
        (Match(stop_code="TaskFailedToStart", said=r"^Task failed to start\.?$", exit_code=r"[1-9]\d*"),),
    ),
)

LOGGED: Final = (
    Cause(
        "heap-exhausted",
        "the application reached its own memory limit",
        "{container} reached the memory limit of its runtime",
        "raise the runtime's limit (such as -Xmx or --max-old-space-size) together with memory",
        (
            Match(log=r"JavaScript heap out of memory"),
            Match(log=r"java\.lang\.OutOfMemoryError: (?:Java heap|GC overhead|Metaspace)"),
        ),
    ),
    Cause(
        "port-in-use",
        "two programs of the task use the same port",
        "{container} cannot listen: another program of the task already uses the port",
        "the containers of a task share one address; give each its own port",
        (Match(log=r"address already in use|EADDRINUSE"),),
    ),
    Cause(
        "port-denied",
        "the port is not allowed",
        "the user of {container} is not allowed to listen on this port",
        "use port 1024 or above, or run as root",
        (Match(log=r"\bbind\b.*permission denied"), Match(log=r"listen EACCES")),
    ),
    Cause(
        "read-only-disk",
        "the application writes to a read-only file system",
        "{container} writes to a file system that is read-only",
        "mount a volume at that path, or set readonly_root to false",
        (Match(log=r"read-only file system|EROFS"),),
    ),
)
"""Known by the last log lines alone, and asked only where the application ended by itself."""

EXITS: Final = (
    _exit(
        "0",
        "the application exited",
        "{container} exited without an error ({seen}); the container of a service has to keep running",
        "the command may run in the background, or belong in a Task that runs once",
    ),
    _exit("1", "the application failed", "{container} exited with code 1 ({seen})"),
    _exit(
        "2",
        "the application failed",
        "{container} exited with code 2 ({seen}): often wrong arguments or a shell syntax error",
    ),
    _exit(
        "126",
        "the command cannot be executed",
        "{container} exited with code 126 ({seen}): the shell found the command but could not run it",
        "make it executable in the image (chmod +x), and check its architecture",
    ),
    _exit(
        "127",
        "the command was not found",
        "{container} exited with code 127 ({seen}): the shell did not find the command",
        "check command, entrypoint and PATH",
    ),
    _exit(
        "134",
        "the application aborted",
        "{container} exited with code 134 ({seen}): it aborted (SIGABRT)",
    ),
    _exit(
        "137",
        "the application was killed",
        "{container} was killed (exit code 137, {seen}), and ECS does not report an out-of-memory error",
        "check its memory use; a watchdog in the container may also have killed it",
    ),
    _exit(
        "139",
        "the application crashed",
        "{container} exited with code 139 ({seen}): invalid memory access (SIGSEGV)",
        "check native libraries and the architecture of the image",
    ),
    _exit(
        "143",
        "the application was terminated",
        "{container} exited with code 143 ({seen}): it received SIGTERM from inside the task",
        "check for a supervisor or script in the container that stops it",
    ),
    _exit(
        "255",
        "the application failed",
        "{container} exited with code 255 ({seen}): it could not be run, or returned -1",
    ),
    Cause(
        "exit-other",
        "the application failed",
        "{container} exited with code {exit_code} ({seen})",
        LOG,
        (Match(stop_code=EXITED, exit_code=r"[1-9]\d*"),),
        level=Level.END,
    ),
)
