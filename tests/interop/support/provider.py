"""Starts the built provider for one test class, in a folder and on a port of its own, and registers
people and clients with its command line, as an operator would."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

BINARY = os.environ.get("COUNTERSIGN_BIN") or str(
    pathlib.Path(__file__).resolve().parents[3] / "target" / "debug" / "countersign"
)
START_SECONDS = 30
STOP_SECONDS = 10


def free_port():
    """A loopback port that nothing listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Provider:
    """A running provider; it answers when the constructor returns."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="countersign-interop-")
        port = free_port()
        self.issuer = f"http://localhost:{port}"
        self.environment = {
            "PATH": os.environ["PATH"],
            "COUNTERSIGN_ISSUER": self.issuer,
            "COUNTERSIGN_LISTEN": f"127.0.0.1:{port}",
            "COUNTERSIGN_DATABASE__URL": f"sqlite://{self.folder}/db",
            "COUNTERSIGN_KEYS__DIR": f"{self.folder}/keys",
        }
        self._log = open(f"{self.folder}/log", "a+", encoding="utf-8")
        self._process = subprocess.Popen(
            [BINARY, "serve"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def _wait_until_ready(self):
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._log.seek(0)
                raise RuntimeError(f"the provider did not start:\n{self._log.read()}")
            time.sleep(0.05)

    def _is_ready(self):
        try:
            with urllib.request.urlopen(f"{self.issuer}/readyz", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, ConnectionError):
            return False  # not listening, or not ready yet

    def run(self, *command, stdin=""):
        """Runs `countersign COMMAND --json` beside the server and returns what it printed."""
        done = subprocess.run(
            [BINARY, *command, "--json"],
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise RuntimeError(f"countersign {' '.join(command)} ended with {done.returncode}: {done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def add_user(self, email, name, password):
        self.run("user", "add", email, "--name", name, "--password-stdin", stdin=password)

    def add_client(self, client_id, *options):
        """Registers a client; returns its secret, if it has one."""
        return self.run("client", "add", client_id, *options).get("client_secret")

    def stop(self):
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
