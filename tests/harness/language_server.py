"""yaml-language-server over stdio, as editors run it: what it says of a file, and what it shows of a place in it.

`npm install --global yaml-language-server` brings it; `YAML_LANGUAGE_SERVER` names one that is elsewhere.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any


def program() -> str | None:
    return os.environ.get("YAML_LANGUAGE_SERVER") or shutil.which("yaml-language-server")


class LanguageServer:
    """One process, with the workspace `folder`. `schemas` has the files of each schema, by their pattern."""

    def __init__(self, command: str, folder: Path, schemas: Mapping[Path, str]) -> None:
        named = {schema.as_uri(): pattern for schema, pattern in schemas.items()}
        self.folder = folder
        self._settings = {
            "yaml": {"schemas": named, "schemaStore": {"enable": False}, "validate": True, "hover": True},
            "http": {},
            "[yaml]": {},
        }
        self._process = subprocess.Popen([command, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._last = self._files = 0
        self._found: dict[str, list[Any]] = {}
        capabilities = {
            "workspace": {"configuration": True, "didChangeConfiguration": {"dynamicRegistration": True}},
            "textDocument": {"hover": {"contentFormat": ["plaintext"]}, "publishDiagnostics": {}},
        }
        folders = [{"uri": folder.as_uri(), "name": folder.name}]
        self._ask(
            "initialize",
            {
                "processId": os.getpid(),
                "rootUri": folder.as_uri(),
                "workspaceFolders": folders,
                "capabilities": capabilities,
            },
        )
        self._send("initialized", {})
        self._send("workspace/didChangeConfiguration", {"settings": self._settings})

    def __enter__(self) -> LanguageServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ask("shutdown", None)
        self._send("exit", None)
        self._process.communicate(timeout=20)

    def open(self, prefix: str, text: str) -> str:
        """Open a new file in the workspace whose name begins with `prefix`; its URI."""
        self._files += 1
        uri = (self.folder / f"{prefix}{self._files}.yaml").as_uri()
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self._send("textDocument/didOpen", {"textDocument": document})
        return uri

    def problems(self, uri: str) -> list[tuple[int, str]]:
        """Line, from 1, and message of all that is found in the file."""
        while uri not in self._found:
            self._take()
        return [(one["range"]["start"]["line"] + 1, one["message"]) for one in self._found[uri]]

    def hover(self, uri: str, line: int, column: int) -> str:
        """What is shown at a place of the file; line and column from 1."""
        where = {"line": line - 1, "character": column - 1}
        answer = self._ask("textDocument/hover", {"textDocument": {"uri": uri}, "position": where})
        contents = (answer or {}).get("contents", "")
        return contents if isinstance(contents, str) else str(contents.get("value", ""))

    def _ask(self, method: str, params: Any) -> Any:
        self._last += 1
        self._send(method, params, id=self._last)
        while True:
            message = self._take()
            if message.get("id") == self._last and "method" not in message:
                assert "error" not in message, message
                return message.get("result")

    def _take(self) -> dict[str, Any]:
        """The next message; what the server itself asks is answered."""
        message = self._receive()
        match message.get("method"):
            case "textDocument/publishDiagnostics":
                self._found[message["params"]["uri"]] = message["params"]["diagnostics"]
            case "workspace/configuration":
                wanted = [self._settings.get(item.get("section", ""), {}) for item in message["params"]["items"]]
                self._send(None, wanted, id=message["id"])
            case str() if "id" in message:
                self._send(None, None, id=message["id"])
        return message

    def _send(self, method: str | None, body: Any, **more: Any) -> None:
        content = {"method": method, "params": body} if method is not None else {"result": body}
        data = json.dumps({"jsonrpc": "2.0", **more, **content}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(data), data))
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        length = 0
        while line := self._process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        message: dict[str, Any] = json.loads(self._process.stdout.read(length))
        return message
