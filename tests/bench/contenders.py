"""The ways to move the rows, each as processes that are started together and waited for."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LOOP_ROWS = 500_000
# what earlier scripts kept; out of the way but for the one that measures them
OLD_TABLES = ["migration_mappings", "migration_control"]
WITH_OLD_TABLES = "runner, migration tables"
NAMESPACE = "6f1d2c3b-4a59-4e68-9f70-8a1b2c3d4e5f"


@dataclass
class Took:
    seconds: float
    client_cpu: float
    server_cpu: float
    rss_mib: float
    # source rows that were gone through
    rows: int


@dataclass
class Bench:
    """A seeded pair of databases, and everything that is measured on it."""
    work: object
    server: object
    rows: int
    dir: Path
    binary: Path
    port: int
    expected: int = 0
    middle: int = 0
    digest: str = ""
    columns: list = field(default_factory=list)
    checked: set = field(default_factory=set)

    # --- making it

    def prepare(self):
        work, server = self.work, self.server
        for name in ("source", "target", "pre"):
            server.sql("postgres", f"create database {name}")
        self.runner("demo", "seed", "--scale", "0.01", "--rows", f"{work.name}={self.rows}",
                    "--source", server.url("source"), "--target", server.url("target"))
        # rows and notes that earlier scripts left: a target that nobody has written to
        server.sql("target", f"truncate {work.name}, migration_mappings, migration_control; create schema aside; "
                             + self.move(OLD_TABLES, "aside"))
        server.sql("source", "create function bench_json(text) returns jsonb language plpgsql immutable as "
                             "$$ begin return $1::jsonb; exception when others then return null; end $$")
        # the pipes join ids at the source; copying them there is not counted
        for parent in work.parents:
            server.sql("source", f"create table bench_{parent.table}(legacy integer primary key, id uuid not null)")
            pipe(server.psql("target", "-c", f"copy (select {parent.legacy}, id from {parent.table} where {parent.legacy} is not null) to stdout"),
                 server.psql("source", "-c", f"copy bench_{parent.table} from stdin"))
        self.columns = server.one("source", f"select string_agg(k, ',') from (select json_object_keys(to_json(x)) k "
                                            f"from ({work.select(True)} limit 1) x) c").split(",")
        self.middle = int(server.one("source", f"select percentile_disc(0.5) within group (order by id) from {work.base} where {work.condition}"))
        self.rows = int(server.one("source", f"select count(*) from {work.base} where {work.condition}"))
        for name in ("source", "target"):
            server.sql(name, "vacuum analyze")

    @staticmethod
    def move(tables, schema):
        return "; ".join(f"alter table {table} set schema {schema}" for table in tables)

    def pre_transform(self):
        """pgloader has no way to look ids up: it gets a table that is joined and transformed already."""
        if self.server.one("pre", f"select to_regclass('public.{self.work.name}') is not null") == "t":
            return
        types = self.server.one("target", "select string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' order by attnum) "
                                f"from pg_attribute where attrelid = '{self.work.name}'::regclass and attname in "
                                + "(" + ",".join(f"'{c}'" for c in self.columns) + ")")
        self.server.sql("pre", f"create table {self.work.name}({types})")
        pipe(self.server.psql("source", "-c", f"copy ({self.work.select(True)}) to stdout"),
             self.server.psql("pre", "-c", f"copy {self.work.name}({','.join(self.columns)}) from stdin"))
        self.server.sql("pre", "vacuum analyze")

    def reset(self):
        self.server.sql("target", f"truncate {self.work.name}; drop schema if exists runner cascade")
        self.server.sql("postgres", "checkpoint")

    def check(self, name, whole):
        """The same rows as every other way, ids aside: else the figure says nothing."""
        count = int(self.server.one("target", f"select count(*) from {self.work.name}"))
        if not whole:
            if count == 0:
                raise SystemExit(f"tests/bench: {name} wrote nothing")
            return count
        if count == self.expected and name in self.checked:
            return count
        kept = [c for c in self.columns if c not in self.work.volatile]
        digest = self.server.one("target", "select count(*) || ' rows, ' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) "
                                           f"from (select {','.join(kept)} from {self.work.name}) t")
        if not self.digest:
            self.digest, self.expected = digest, count
        if digest != self.digest:
            raise SystemExit(f"tests/bench: {name} left {digest}, the others {self.digest}")
        self.checked.add(name)
        return count

    # --- programs

    def runner(self, *arguments, project=None, target_port=None, urls=None):
        done = subprocess.run([self.binary, *arguments], cwd=project or self.dir, env=self.environment(target_port, urls),
                              capture_output=True, text=True)
        if done.returncode not in (0, 3):
            raise SystemExit(f"tests/bench: runner {' '.join(arguments)} ended with {done.returncode}\n{done.stderr}")
        return done

    def environment(self, target_port=None, urls=None):
        source, target = urls or (self.server.url("source"), self.server.url("target", target_port))
        return {"PATH": os.environ["PATH"], "HOME": str(self.dir), "NO_COLOR": "1", "RUNNER_NAMESPACE": NAMESPACE,
                "SOURCE_DATABASE_URL": source, "TARGET_DATABASE_URL": target}

    def project(self, name, edit=lambda text: text):
        """The shipped rules in a folder of their own, the workload's edited."""
        folder = self.dir / name
        if not folder.exists():
            shutil.copytree(ROOT / "rules", folder / "rules")
            rule = folder / "rules" / f"{self.work.name}.rhai"
            rule.write_text(edit(rule.read_text()))
        return folder

    # --- the ways

    def ways(self):
        server, work, port = self.server, self.work, self.port
        into = server.psql("target", "-c", f"copy {work.name}({','.join(self.columns)}) from stdin", port=port)

        def out_of(keys):
            return server.psql("source", "-c", f"copy ({work.select(True, keys)}) to stdout")

        def exec_(project, *options):
            return [([self.binary, "exec", work.name, *options], project)]

        validated = self.project("validated", lambda text: text + work.validate)
        ordered = self.project("ordered", lambda text: text.replace('    legacy: "', '    id: "ordered",\n    legacy: "', 1))
        plain = self.project("plain")
        half = self.middle
        return {
            "runner": exec_(plain),
            "runner, 1 writer": exec_(plain, "--writers", "1"),
            "runner, 4 writers": exec_(plain, "--writers", "4"),
            "runner, validate()": exec_(validated),
            "runner, ordered ids": exec_(ordered),
            WITH_OLD_TABLES: exec_(plain),
            "pipe": [(out_of("true"), into)],
            "split pipe": [(out_of(f"d.id <= {half}"), into), (out_of(f"d.id > {half}"), into)],
            "pgloader": [(["pgloader", "--quiet", self.load_file()], self.dir)],
            "100-row loop": [([sys.executable, HERE / "loop.py", work.name, server.url("source"), server.url("target", port),
                               str(self.loop_rows())], HERE)],
        }

    def loop_rows(self):
        return min(self.rows, LOOP_ROWS if self.port == self.server.port else 4_000)

    def load_file(self):
        path = self.dir / f"{self.work.name}.load"

        def plain(database, port):
            return self.server.url(database, port).replace("postgres://", "pgsql://").replace("?sslmode=disable", "")
        path.write_text(f"load database from {plain('pre', self.server.port)} into {plain('target', self.port)}\n"
                        f"with data only including only table names matching '{self.work.name}' in schema 'public';\n")
        return path

    def measure(self, name, processes, again=3):
        """One way once. pgloader runs out of its heap now and then: only the time of a whole run counts."""
        if name == "pgloader":
            self.pre_transform()
        self.reset()
        if name == WITH_OLD_TABLES:
            self.server.sql("target", self.move([f"aside.{table}" for table in OLD_TABLES], "public"))
        self.server.wait_until_alone()
        before = self.server.cpu()
        started = time.monotonic()
        env = self.environment(self.port)
        log = open(self.dir / "output", "w+")
        running = []
        for command, other in processes:
            if isinstance(other, list):
                out = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=env)
                running += [out, subprocess.Popen(other, stdin=out.stdout, stderr=log, env=env)]
                out.stdout.close()
            else:
                running.append(subprocess.Popen(command, cwd=other, stdout=log, stderr=log, env=env))
        cpu = rss = 0
        failed = False
        for process in running:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            cpu += usage.ru_utime + usage.ru_stime
            rss = max(rss, usage.ru_maxrss / 1024)
            # 3: rows that wait for a decision, as the orphans do
            failed |= process.returncode not in ((0, 3) if name.startswith("runner") else (0,))
        seconds = time.monotonic() - started
        if failed:
            log.seek(0)
            if name == "pgloader" and "Heap exhausted" in log.read() and again:
                log.close()
                self.server.wait_until_alone()
                return self.measure(name, processes, again - 1)
            log.seek(0)
            raise SystemExit(f"tests/bench: {name} failed\n{log.read()[-3000:]}")
        self.server.wait_until_alone()
        server_cpu = self.server.cpu() - before
        whole = name != "100-row loop" or self.loop_rows() == self.rows
        written = self.check(name, whole)
        if name == WITH_OLD_TABLES:
            # each row that was written has its line, or the figure says nothing
            if int(self.server.one("target", "select count(*) from migration_mappings")) != written:
                raise SystemExit(f"tests/bench: {name} did not keep migration_mappings")
            self.server.sql("target", "truncate migration_mappings, migration_control; " + self.move(OLD_TABLES, "aside"))
        # the loop reads only rows that are written
        rows = self.rows if whole else written * self.rows // (self.expected or self.rows)
        return Took(seconds, cpu, server_cpu, rss, rows)


class Sqlite:
    """From one SQLite file to another: what the demo does."""

    def __init__(self, bench):
        self.bench = bench
        self.folder = bench.dir / "sqlite"

    COPIES = """const RULE = #{
    base: "dispatch_file", where: "record_id is not null", key: "id", target: "bench_copies", legacy: "legacy_id",
    copy: #{ name: "name", ext: "ext", size: "size", type: "type", status: "status", created_at: "created_at",
             description: "description", product_id: "product_id", instruction_id: "instruction_id",
             parameters: "parameters", record_id: "record_id" },
};

fn transform(row) { #{} }
"""
    TABLE = """create table bench_copies(id UUID primary key, legacy_id integer unique, name text, ext text, size bigint,
        type integer, status integer, created_at TIMESTAMPTZ, description text, product_id integer, instruction_id integer,
        parameters text, record_id integer)"""

    def prepare(self):
        bench = self.bench
        self.folder.mkdir()
        urls = [f"sqlite://{self.folder / name}" for name in ("legacy.db", "empty.db")]
        bench.runner("demo", "seed", "--scale", "0.01", "--rows", f"{bench.work.name}={bench.rows}",
                     "--source", urls[0], "--target", urls[1], urls=urls)
        with sqlite3.connect(self.folder / "empty.db") as target:
            target.executescript(f"delete from {bench.work.name}; drop table migration_mappings; drop table migration_control; {self.TABLE}")
        target.close()
        copies = bench.project("sqlite-copies")
        (copies / "rules" / "bench_copies.rhai").write_text(self.COPIES)

    def ways(self):
        bench = self.bench
        return {
            "SQLite to SQLite, script": ("plain", bench.work.name),
            "SQLite to SQLite, copied columns": ("sqlite-copies", "bench_copies"),
        }

    def measure(self, name, way):
        bench = self.bench
        for old in self.folder.glob("target.db*"):
            old.unlink()
        shutil.copy(self.folder / "empty.db", self.folder / "target.db")
        os.sync()
        project, rule = way
        env = bench.environment(urls=[f"sqlite://{self.folder / name}" for name in ("legacy.db", "target.db")])
        started = time.monotonic()
        log = open(bench.dir / "output", "w+")
        process = subprocess.Popen([bench.binary, "exec", rule], cwd=bench.dir / project, stdout=log, stderr=log, env=env)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - started
        if process.returncode not in (0, 3):
            log.seek(0)
            raise SystemExit(f"tests/bench: {name} failed\n{log.read()[-3000:]}")
        with sqlite3.connect(self.folder / "target.db") as target:
            (written,) = target.execute(f"select count(*) from {rule}").fetchone()
        target.close()
        # the script rejects orphans
        if written < bench.rows * (1.0 if rule == "bench_copies" else 0.9):
            raise SystemExit(f"tests/bench: {name} wrote {written} of {bench.rows} rows")
        return Took(seconds, usage.ru_utime + usage.ru_stime, 0, usage.ru_maxrss / 1024, bench.rows)


def pipe(first, second):
    out = subprocess.Popen(first, stdout=subprocess.PIPE)
    into = subprocess.run(second, stdin=out.stdout)
    if into.returncode or out.wait():
        raise SystemExit(f"tests/bench: {first} | {second} failed")


class Proxy:
    """A server that is `milliseconds` of round trip away."""

    def __init__(self, port, milliseconds):
        command = [sys.executable, HERE / "proxy.py", str(port), str(milliseconds / 2)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
