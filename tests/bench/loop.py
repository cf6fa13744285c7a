"""The way most migrations are written: a page of 100 rows, a query per parent, one INSERT, again.

    loop.py WORKLOAD SOURCE_URL TARGET_URL ROWS     commits each page

The transform itself is done by the source's server, so what is measured is the loop.
"""

import subprocess
import sys

from workloads import WORKLOADS

PAGE = 100
END = "end of answer"


class Session:
    """One connection, through psql: its answers are COPY text or rows, ended by a line of our own."""

    def __init__(self, url):
        command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url]
        self.psql = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, sql):
        self.psql.stdin.write(f"{sql};\n\\echo {END}\n".encode())
        self.psql.stdin.flush()
        lines = []
        for line in self.psql.stdout:
            line = line.rstrip(b"\n")
            if line == END.encode():
                return lines
            lines.append(line)
        raise SystemExit("loop.py: psql ended")

    def close(self):
        self.psql.stdin.close()
        self.psql.wait()


def literal(cell):
    """A COPY text cell as a literal: both escape with backslashes."""
    return b"null" if cell == b"\\N" else b"E'" + cell.replace(b"'", b"''") + b"'"


def main(name, source_url, target_url, rows):
    work = WORKLOADS[name]
    source, target = Session(source_url), Session(target_url)
    names = [line.decode() for line in source.ask(
        f"select json_object_keys(to_json(x)) from ({work.select(False)} limit 1) x")]
    at = {parent.table: names.index(column_of(work, parent)) for parent in work.parents}
    key = names.index("legacy_attachment_id" if name == "message_attachments" else "legacy_purchase_id")
    last, left = -(2**31), rows
    while left > 0:
        select = work.select(False, f"d.id > {last} order by d.id limit {min(PAGE, left)}")
        page = [line.split(b"\t") for line in source.ask(f"copy ({select}) to stdout")]
        if not page:
            break
        left -= len(page)
        last = int(page[-1][key])
        known = {}
        for parent in work.parents:
            keys = {cells[at[parent.table]] for cells in page} - {b"\\N"}
            found = target.ask(
                f"select {parent.legacy}, id from {parent.table} where {parent.legacy} in ({(b','.join(keys) or b'null').decode()})")
            known[parent.table] = dict(line.split(b"|") for line in found)
        values = []
        for cells in page:
            for parent in work.parents:
                place = at[parent.table]
                legacy = cells[place]
                cells[place] = known[parent.table].get(legacy, b"\\N")
                if cells[place] == b"\\N" and (parent.absent is None or (parent.absent == "null" and legacy != b"\\N")):
                    break
            else:
                values.append(b"(" + b",".join(literal(cell) for cell in cells) + b")")
        if values:
            target.ask(f"insert into {name} ({','.join(names)}) values " + b",".join(values).decode())
    source.close()
    target.close()


def column_of(work, parent):
    columns = {"messages": "message_id", "files": "file_id", "orders": "order_id", "profiles": "purchased_by",
               "products": "product_id"}
    return columns[parent.table]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
