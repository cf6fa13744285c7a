"""What is migrated: the rule, its SQL twin, and the parents that both look ids up in."""

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Parent:
    """A table of the target whose ids are looked up by a legacy key."""
    table: str
    legacy: str
    # the expression in the SQL twin that has the legacy key
    key: str
    # None: the row is dropped; "null": a NULL key is no key; "any": whatever is not there is NULL
    absent: str | None = None


@dataclass(frozen=True)
class Workload:
    name: str
    base: str
    # rows that the rule reads
    condition: str
    parents: tuple
    # appended to the rule for the variant with a hook
    validate: str
    # filled by the target, so that two ways may differ
    volatile: tuple = ("id",)

    def select(self, ids, keys="true", id_sql="gen_random_uuid()"):
        """The SQL twin. `ids`: look the parents up; otherwise their legacy keys stand in."""
        lines = (HERE / f"{self.name}.sql").read_text().splitlines()
        text = "\n".join(line for line in lines if not line.startswith("--"))
        joins = []
        places = {"id": id_sql, "range": keys}
        for at, parent in enumerate(self.parents):
            places[parent.table] = f"b{at}.id" if ids else parent.key
            kind = "join" if parent.absent is None else "left join"
            joins.append(f"{kind} bench_{parent.table} b{at} on b{at}.legacy = {parent.key}")
            if parent.absent == "null" and ids:
                places["range"] += f" and ({parent.key} is null or b{at}.id is not null)"
        places["joins"] = "\n".join(joins) if ids else ""
        for name, value in places.items():
            text = text.replace("{" + name + "}", value)
        return text


WORKLOADS = {
    "message_attachments": Workload(
        name="message_attachments",
        base="dispatch_file",
        condition="record_id is not null",
        parents=(
            Parent("messages", "legacy_record_id", "d.record_id"),
            Parent("files", "legacy_file_id", "d.id"),
        ),
        validate="""
fn validate(out) {
    if out.file_size < 0 { reject("negative_size", "a file cannot be smaller than nothing"); }
    if out.display_name == () { reject("no_name_at_all", "an attachment is shown by its name"); }
}
""",
    ),
    "purchases": Workload(
        name="purchases",
        base="dispatch_payment",
        condition="true",
        parents=(
            Parent("orders", "legacy_instruction_id", "d.instruction_id", "null"),
            Parent("profiles", "legacy_user_id", "d.doctor_id"),
            Parent("products", "legacy_product_id", "single.id", "any"),
        ),
        validate="""
fn validate(out) {
    if out.total_amount < 0 { reject("negative_total", "a purchase cannot cost less than nothing"); }
    if out.quantity < 1 { reject("no_quantity", "a purchase is of something"); }
}
""",
        volatile=("id", "updated_at"),
    ),
}
