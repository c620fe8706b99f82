"""Runs the command lines of a page as a reader would type them, in the page's folder.

Three kinds of lines are not passed to a shell as they stand, because they would change the machine or not come back:
`pip install 'mien[x]'` is checked against the extras that the package has, `make target` is run with `--dry-run` in the
project, and a server is started, waited for, and stopped at the end of the page (its port is a free one).
"""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: The address that pages name, in commands and in code.
ADDRESS = "127.0.0.1:8000"
_SERVER = re.compile(r"mien serve(?!.*--(new-key|schemas|help))")
_CODE = re.compile(r"#.*\bexit code (\d+)")
_HERE = re.compile(r"<<'?(\w+)")
_SECONDS = 1800.0


@dataclass
class Shell:
    """The terminal of one page.

    Args:
        folder: where commands run.
        instead: beginnings of lines that cannot run here, and the commands that run in their place.
    """

    folder: Path
    instead: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=lambda: _free_port())
    server: subprocess.Popen[bytes] | None = None

    def run(self, source: str) -> None:
        """Run every command of a block; raise `AssertionError` with its output when one fails."""
        for line in commands(source):
            for start, other in self.instead.items():
                if line.startswith(start):
                    line = other
                    break
            self._one(line)

    def _one(self, line: str) -> None:
        words = shlex.split(line.partition("\n")[0].rstrip("\\"), comments=True)
        if words[:2] == ["pip", "install"]:
            _check_requirements(words[2:])
        elif words[:1] == ["make"]:
            self._bash(shlex.join(["make", "--dry-run", *words[1:]]), ROOT)
        elif _SERVER.match(line):
            self._serve(words)
        else:
            self._bash(line.replace(ADDRESS, f"127.0.0.1:{self.port}"), self.folder)

    def _bash(self, line: str, folder: Path) -> None:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            cwd=folder, env=self.environment(), timeout=_SECONDS, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        promised = _CODE.search(line)
        wanted = int(promised.group(1)) if promised else 0
        said = f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        assert done.returncode == wanted, f"`{line}` ended with exit code {done.returncode}, not {wanted}\n{said}"

    def _serve(self, words: list[str]) -> None:
        self.close()
        with (self.folder / "server.log").open("ab") as log:
            self.server = subprocess.Popen(
                [*words, "--port", str(self.port)], cwd=self.folder, env=self.environment(), stdout=log, stderr=log
            )
        last = time.monotonic() + _SECONDS
        while time.monotonic() < last:
            if self.server.poll() is not None:
                break
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5).close()
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise AssertionError(f"`{shlex.join(words)}` did not get ready\n{(self.folder / 'server.log').read_text()}")

    def environment(self) -> dict[str, str]:
        """Return the environment of commands: this Python's programs first, one thread each, no way to the network."""
        away = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
        home = {
            "MIEN_CACHE": str(self.folder / ".cache"),
            "MIEN_MODELS": str(self.folder / "models"),
            "NO_PROXY": "127.0.0.1,localhost",
            "HF_HUB_OFFLINE": "1",
        }
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return os.environ | away | home | {"no_proxy": home["NO_PROXY"], "PATH": path, "OMP_NUM_THREADS": "1"}

    def close(self) -> None:
        """Stop the server, if one runs."""
        if self.server is not None:
            self.server.terminate()
            self.server.wait(timeout=30)
            self.server = None


def commands(source: str) -> list[str]:
    """Return the command lines of a block: after `$` where it has prompts, else every line; `\\` goes on.

    A here-document belongs to its command.
    """
    prompts = any(line.startswith("$ ") for line in source.splitlines())
    found: list[str] = []
    more, end = False, ""
    for line in source.splitlines():
        if end:
            found[-1] += "\n" + line
            end = "" if line == end else end
            continue
        if more:
            found[-1] += "\n" + line.removeprefix("> ")
        elif prompts and line.startswith("$ "):
            found.append(line[2:])
        elif not prompts and line.strip() and not line.startswith("#"):
            found.append(line)
        else:
            continue
        more = line.endswith("\\")
        document = _HERE.search(line)
        end = document.group(1) if document else ""
    return found


def _check_requirements(words: list[str]) -> None:
    known = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    )
    for word in words:
        match = re.fullmatch(r"mien\[(.+)\]", word)
        unknown = set(match.group(1).split(",")) - known if match else set()
        assert not unknown, f"the package has no extra {sorted(unknown)}; it has {sorted(known)}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
