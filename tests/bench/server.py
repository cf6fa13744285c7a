"""A throw-away PostgreSQL server with the settings of a real one: fsync on, 512 MB of shared buffers."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

SETTINGS = {
    "shared_buffers": "512MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "30min",
    # the same for all; a run is not to depend on when it comes
    "autovacuum": "off",
    "max_connections": "50",
    "timezone": "UTC",
    "log_min_messages": "error",
}


def binaries():
    """The folder with `postgres` and `initdb`: where tests/run looks, too."""
    folders = [os.environ.get("RUNNER_TEST_PG_BIN", "")]
    config = shutil.which("pg_config")
    if config:
        folders.append(subprocess.run([config, "--bindir"], capture_output=True, text=True).stdout.strip())
    folders += sorted((str(p) for p in Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    folders += os.environ.get("PATH", "").split(":")
    for folder in folders:
        if folder and all(os.access(Path(folder) / tool, os.X_OK) for tool in ("postgres", "initdb")):
            return Path(folder)
    raise SystemExit("tests/bench: no PostgreSQL server found; `tests/run --tools` installs it")


class Server:
    def __init__(self, folder=None):
        self.bin = binaries()
        self.dir = Path(tempfile.mkdtemp(prefix="runner-bench-", dir=folder))
        # the server refuses to run as root
        self.user = None
        if os.geteuid() == 0:
            self.user = "postgres" if _exists("postgres") else "nobody"
            os.chown(self.dir, pwd.getpwnam(self.user).pw_uid, pwd.getpwnam(self.user).pw_gid)
        env = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}
        how = {"env": env, "cwd": "/", "stdout": subprocess.DEVNULL}
        if self.user:
            entry = pwd.getpwnam(self.user)
            how |= {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        data = self.dir / "data"
        subprocess.run([self.bin / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"],
                       check=True, **how)
        self.port = _free_port()
        command = [self.bin / "postgres", "-D", data, "-k", self.dir, "-h", "127.0.0.1", "-p", str(self.port)]
        for name, value in SETTINGS.items():
            command += ["-c", f"{name}={value}"]
        self.process = subprocess.Popen(command, stderr=open(self.dir / "log", "w"), **how)
        for _ in range(300):
            if self.sql("postgres", "select 1", check=False).returncode == 0:
                break
            if self.process.poll() is not None:
                raise SystemExit("tests/bench: PostgreSQL did not start:\n" + (self.dir / "log").read_text())
            time.sleep(0.1)
        self.version = self.one("postgres", "show server_version")

    def url(self, database, port=None):
        return f"postgres://postgres@127.0.0.1:{port or self.port}/{database}?sslmode=disable"

    def psql(self, database, *arguments, port=None):
        """A command line: quiet, without the user's own settings, stopping at the first error."""
        return ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", self.url(database, port), *arguments]

    def sql(self, database, text, check=True):
        done = subprocess.run(self.psql(database, "-c", text), capture_output=True, text=True)
        if check and done.returncode:
            raise SystemExit(f"tests/bench: {done.stderr}\n{text}")
        return done

    def one(self, database, text):
        return self.sql(database, text).stdout.strip()

    def cpu(self):
        """Seconds of CPU that this server has used, sessions that have ended included."""
        own = _stat(self.process.pid)
        total = own["own"] + own["ended"]
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                it = _stat(int(entry))
                if it and it["parent"] == self.process.pid:
                    total += it["own"]
        return total

    def sessions(self):
        return int(self.one("postgres", "select count(*) from pg_stat_activity where backend_type = 'client backend' "
                                        "and pid <> pg_backend_pid()"))

    def wait_until_alone(self):
        for _ in range(200):
            if self.sessions() == 0:
                return
            time.sleep(0.02)
        raise SystemExit("tests/bench: a session is still there")

    def stop(self):
        self.process.send_signal(2)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


def _exists(user):
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def _stat(pid):
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    tick = os.sysconf("SC_CLK_TCK")
    return {
        "parent": int(fields[1]),
        "own": (int(fields[11]) + int(fields[12])) / tick,
        "ended": (int(fields[13]) + int(fields[14])) / tick,
    }
