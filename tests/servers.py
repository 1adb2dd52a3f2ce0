"""Real servers on loopback that tests start and cut off: SSH, S3, and a proxy before them."""

import contextlib
import getpass
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import pytest


class Remote(NamedTuple):
    """A storage that DVC pushes to and pulls from."""

    url: str
    settings: Mapping[str, str] = {}
    port: int = 0  # of its server

    def below(self, name: str) -> "Remote":
        """A folder of its own in the storage."""
        return self._replace(url=f"{self.url}/{name}")

    def at(self, port: int) -> "Remote":
        """The same storage, by way of another port."""
        old, new = (f"127.0.0.1:{number}" for number in (self.port, port))
        settings = {key: value.replace(old, new) for key, value in self.settings.items()}
        return Remote(self.url.replace(old, new), settings, port)


# With PAM, since an ordinary user's server may not read /etc/shadow, and takes every account for a
# locked one.
SSHD_CONFIG = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM yes
AuthenticationMethods publickey
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
"""


def ssh_server_in(folder: Path) -> tuple[list[str], Remote]:
    """OpenSSH's server as this user, with a host key and an authorized key of its own.

    Args:
        folder: an empty one, for the keys and what is pushed.

    Returns:
        The command that runs it, and the storage that it then serves.
    """
    path = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"
    sshd = needed("sshd", shutil.which("sshd", path=path), "apt install openssh-server")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where the server of root locks itself in
    for name in ("host_key", "key"):
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(keygen, check=True)
    shutil.copy(folder / "key.pub", folder / "authorized_keys")
    port = free_port()
    (folder / "config").write_text(SSHD_CONFIG.format(port=port, folder=folder))
    settings = {"keyfile": str(folder / "key"), "user": getpass.getuser()}
    remote = Remote(f"ssh://127.0.0.1:{port}{folder / 'storage'}", settings, port)
    return [sshd, "-D", "-e", "-f", str(folder / "config")], remote


@contextlib.contextmanager
def s3_server() -> Iterator[Remote]:
    """Run moto's S3 as an HTTP server of its own process, with a bucket."""
    port = free_port()
    with serving([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port):
        endpoint = f"http://127.0.0.1:{port}"
        # Not urllib, which keeps the proxies that it found when it was first used in this process.
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("PUT", "/bucket")
        assert connection.getresponse().status == 200
        connection.close()
        settings = {
            "endpointurl": endpoint,
            "access_key_id": "nobody",
            "secret_access_key": "nothing",
        }
        yield Remote("s3://bucket/storage", settings, port)


@contextlib.contextmanager
def serving(
    command: Sequence[str], port: int, folder: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in a folder until the block ends; the block starts when it listens."""
    # Into a file: a pipe that nobody reads is full after some hundred requests, and then it waits.
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said
        ) as process,
    ):
        try:
            until_it_listens(process, port, said)
            yield process
        finally:
            process.kill()


def kill_with_its_children(pid: int) -> None:
    """Kill a process and all that came of it, which for SSH is one for each connection."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    os.kill(pid, signal.SIGKILL)
    for child in children:
        kill_with_its_children(int(child))


def until_it_listens(process: subprocess.Popen[bytes], port: int, said: IO[bytes]) -> None:
    for _ in range(2400):  # loading TensorFlow on a busy machine takes a while
        if process.poll() is not None:
            said.seek(0)
            raise AssertionError(said.read().decode())
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as one:
            # A port that nobody listens on yet may be given to this very connection, which then
            # reaches itself.
            if one.getsockname() != one.getpeername():
                return
        time.sleep(0.05)
    raise AssertionError(f"{process.args!r} does not listen")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def needed(name: str, path: str | None, how: str) -> str:
    """The path of a program; without it the test is skipped, or fails where CI is set."""
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"needs {name}: {how}")
    return path


class CuttingProxy:
    """Hands bytes on to a port of loopback, and ends every connection after so many."""

    def __init__(self, port: int, allowed: int | None = None) -> None:
        """Listen on a port of its own."""
        self.allowed = allowed  # bytes to come, both ways together; None: no end
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                for end in (
                    client,
                    server,
                ):  # else each small packet waits for the last one's receipt
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._hand_on, args=pair, daemon=True).start()

    def _hand_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(2**14):
                if self.allowed is not None:
                    self.allowed -= len(data)
                    if self.allowed < 0:
                        break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()
