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
        "the program is built for another CPU",
        "{container} cannot run {program}: it is built for another CPU architecture, or is a script without #!",
        "build {image} for the task's architecture, or set the task's architecture to the image's",
        (Match(said=r"exec format error"), Match(log=r"exec format error")),
    ),
    Cause(
        "command-not-found",
        "the command does not exist in the image",
        "{container} is to run {program}, which {image} does not have",
        "correct command or entrypoint; the image may lack a shell, or a mount may hide the program",
        (
            Match(said=r"executable file not found"),
            Match(said=r"(?:CannotStart|OCI runtime).*exec.*no such file or dir"),
        ),
    ),
    Cause(
        "command-not-executable",
        "the command must not be executed",
        "{program} in {image} is not executable for the container's user",
        "chmod +x it in the image, or run it through its interpreter",
        (Match(said=r"(?:CannotStart|OCI runtime).*exec.*permission denied"),),
    ),
    Cause(
        "user-missing",
        "the user does not exist in the image",
        "{image} does not know {user}",
        "name a user or a numeric id that the image has",
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
        "{container} was not up after {limit}",
        "look for what it waits for; start_timeout and slow volumes count too",
        (Match(said=r"(?:ContainerRuntime|Docker)TimeoutError.*transition to (?:running|started|created)"),),
    ),
    Cause(
        "out-of-memory",
        "the container ran out of memory",
        "{container} wanted more memory than it has and was killed ({seen})",
        "raise memory, or lower what the application takes (heap, workers)",
        (Match(said=r"OutOfMemoryError: Container killed"),),
    ),
    Cause(
        "dependency-unhealthy",
        "a container that others wait for is not healthy",
        "{container} did not become healthy, so the containers that depend on it were never started",
        "check its health check's command and start_period",
        (Match(stop_code="TaskFailedToStart", said=r"^Task failed to start\.?$", health="UNHEALTHY"),),
    ),
    Cause(
        "dependency-failed",
        "a container that others wait for failed",
        "{container} ended with exit code {exit_code} before the task was up",
        LOG,
        (Match(stop_code="TaskFailedToStart", said=r"^Task failed to start\.?$", exit_code=r"[1-9]\d*"),),
    ),
)

LOGGED: Final = (
    Cause(
        "heap-exhausted",
        "the application used up its own memory limit",
        "{container} ran out of the memory that its runtime allows itself",
        "raise the runtime's limit (such as -Xmx or --max-old-space-size) together with memory",
        (
            Match(log=r"JavaScript heap out of memory"),
            Match(log=r"java\.lang\.OutOfMemoryError: (?:Java heap|GC overhead|Metaspace)"),
        ),
    ),
    Cause(
        "port-in-use",
        "two programs of the task want the same port",
        "{container} cannot listen: the port is taken by another program of the same task",
        "containers of one task share an address; give each its own port",
        (Match(log=r"address already in use|EADDRINUSE"),),
    ),
    Cause(
        "port-denied",
        "the port must not be listened on",
        "{container} may not listen on that port as the user it runs as",
        "listen on a port from 1024 up, or run as root",
        (Match(log=r"\bbind\b.*permission denied"), Match(log=r"listen EACCES")),
    ),
    Cause(
        "read-only-disk",
        "the application writes where it must not",
        "{container} writes to a file system that is read-only",
        "mount a volume where it writes, or set readonly_root to false",
        (Match(log=r"read-only file system|EROFS"),),
    ),
)
"""Known by the last log lines alone, and asked only where the application ended by itself."""

EXITS: Final = (
    _exit(
        "0",
        "the application ended",
        "{container} ended without an error ({seen}); what a service runs has to keep running",
        "the command may have gone to the background, or be meant for a Task that runs once",
    ),
    _exit("1", "the application failed", "{container} ended with exit code 1 ({seen})"),
    _exit(
        "2",
        "the application failed",
        "{container} ended with exit code 2 ({seen}): often wrong arguments, or a shell's syntax error",
    ),
    _exit(
        "126",
        "the command cannot be executed",
        "{container} ended with exit code 126 ({seen}): the shell found the command but may not run it",
        "chmod +x it in the image; check its architecture",
    ),
    _exit(
        "127",
        "the command was not found",
        "{container} ended with exit code 127 ({seen}): the shell did not find a command",
        "check command, entrypoint and PATH",
    ),
    _exit(
        "134",
        "the application aborted",
        "{container} ended with exit code 134 ({seen}): it gave itself up (SIGABRT)",
    ),
    _exit(
        "137",
        "the application was killed",
        "{container} was killed (exit code 137, {seen}), and ECS does not say that it was for memory",
        "check the memory it took; a watchdog in the container may have done it too",
    ),
    _exit(
        "139",
        "the application crashed",
        "{container} ended with exit code 139 ({seen}): a memory access that is not allowed (SIGSEGV)",
        "check native libraries and the image's architecture",
    ),
    _exit(
        "143",
        "the application was told to end",
        "{container} ended with exit code 143 ({seen}): something inside the task sent it SIGTERM",
        "look for a supervisor or script in the container that ends it",
    ),
    _exit(
        "255",
        "the application failed",
        "{container} ended with exit code 255 ({seen}): it could not be run, or ended with -1",
    ),
    Cause(
        "exit-other",
        "the application failed",
        "{container} ended with exit code {exit_code} ({seen})",
        LOG,
        (Match(stop_code=EXITED, exit_code=r"[1-9]\d*"),),
        level=Level.END,
    ),
)
