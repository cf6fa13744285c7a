"""Figures as a table: medians with their ranges, and ratios of runs of the same round."""

import os
import platform
import statistics
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
YARDSTICKS = ["split pipe", "pipe", "pgloader", "100-row loop"]


def table(took):
    """`took`: way -> list of Took, one per round. Ratios are of speeds, each pair from one round."""
    yards = [yard for yard in YARDSTICKS if yard in took]
    lines = ["| what | rows | s, median (range) | rows/s | " + "".join(f"× {yard} | " for yard in yards)
             + "client CPU s | server CPU s | peak RSS MiB |",
             "|---|---:|---|---:|" + "---|" * len(yards) + "---:|---:|---:|"]
    for name, runs in took.items():
        seconds = [it.seconds for it in runs]
        cells = [name, f"{runs[0].rows:,}", spread(seconds, "{:.2f}"),
                 f"{statistics.median(it.rows / it.seconds for it in runs):,.0f}"]
        for yard in yards:
            if yard == name or name.startswith("SQLite"):
                cells.append("1" if yard == name else "")
                continue
            ratios = [(a.rows / a.seconds) / (b.rows / b.seconds) for a, b in zip(runs, took[yard])]
            cells.append(spread(ratios, "{:.2f}"))
        cells += [f"{statistics.median(it.client_cpu for it in runs):.1f}",
                  f"{statistics.median(it.server_cpu for it in runs):.1f}" if runs[0].server_cpu else "",
                  f"{max(it.rss_mib for it in runs):.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def spread(values, form):
    middle = form.format(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({form.format(min(values))}–{form.format(max(values))})"


def machine(server):
    model = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.processor())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} × {model}, {memory:.0f} GiB, {platform.system()} {platform.release()}, PostgreSQL {server.version}"


def commit():
    def git(*arguments):
        return subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True).stdout.strip()
    return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/performance.md") else "")


def write(path, name, text):
    """Puts `text` between the marks of section `name`."""
    begin, end = f"<!-- bench {name} -->", "<!-- end -->"
    whole = path.read_text()
    if begin not in whole:
        raise SystemExit(f"tests/bench: {path} has no section `{begin}`")
    before, _, rest = whole.partition(begin)
    _, _, after = rest.partition(end)
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}")
