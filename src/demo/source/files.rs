//! Rows of the source: records (messages), their files, templates and who may see them.

use uuid::Uuid;

use crate::demo::cells::Cells;
use crate::demo::people::Persona;
use crate::demo::random::Stream;
use crate::demo::text;
use crate::demo::world::{GROUP_LOST, TEAMS, TEMPLATES_LOST, World};

pub(in crate::demo) fn record(world: &World, place: u64, cells: &mut Cells) -> bool {
    let index = world.records.index(place);
    let number = world.number(Stream::Record, place);
    cells.int(world.records.key_at(place));
    let (target, kind) = match number % 10 {
        0 => (world.people.key(Persona::Staff(number >> 8)), None),
        1..=3 => (world.people.key(Persona::Staff(number >> 8)), Some(58)),
        _ => {
            let patient = (number >> 8) % world.patients.rows();
            (world.patients.key(patient), Some(11))
        }
    };
    cells.int(target).maybe_int(kind).int(number >> 40 & 3);
    match index {
        0 => cells.raw("infinity"),
        1 => cells.raw("-infinity"),
        2 | 500 => cells.raw("0001-01-01 00:00:00+00"),
        _ => cells.moment(world.moment(Stream::Record, place, world.records.rows())),
    };
    cells.text(record_text(index, number));
    cells.maybe_int((number >> 42 & 15 != 0).then(|| record_author(world, number)));
    cells.maybe_int((number >> 46 & 7 == 0).then_some(2));
    match number >> 49 & 3 {
        0 => cells.null(),
        bit => cells.bool(bit == 1),
    };
    true
}

pub(in crate::demo) fn record_text(index: u64, number: u64) -> &'static str {
    text::free(index, number)
}

pub(in crate::demo) fn record_author(world: &World, number: u64) -> u64 {
    world.people.key(Persona::Staff(number >> 12))
}

/// One extension in each way it was ever written.
const EXTENSIONS: &[&str] = &[
    "jpg", "stl", "JPG", "pdf", "png", "PLY", "zip", "jpeg", "dcm", "docx", "heic", "7z", "exe",
    "xlsx", "obj", "webp", "txt", "rtf", "gif", "rar", "doc", "xls", "Stl", "mp4",
];

/// A file's extension; some have none.
pub(in crate::demo) fn extension(world: &World, index: u64) -> Option<&'static str> {
    let it = &world.classes.attachments;
    // a file without a name has an extension
    (index < it.no_name || index % 89 != 88).then(|| text::pick(EXTENSIONS, index))
}

pub(in crate::demo) fn file_uid(world: &World, place: u64) -> Uuid {
    world.uuid(Stream::FileUid, world.files.key_at(place))
}

/// A file's name, unless it has none.
pub(in crate::demo) fn file_name(world: &World, index: u64, number: u64) -> Option<String> {
    let it = &world.classes.attachments;
    if index < it.no_name {
        return None;
    }
    let horrors = text::HORRORS.len() as u64;
    let named = index - it.no_name;
    Some(
        if named < horrors || (index < it.read() && named % 67 == 0) {
            text::horror(named).to_owned()
        } else {
            let extension = extension(world, index).unwrap_or("bin");
            format!("{} {}.{extension}", text::first_name(number), number >> 48)
        },
    )
}

/// A size in bytes; a scan may be larger than 32 bits can say.
pub(in crate::demo) fn file_size(number: u64) -> u64 {
    if number % 1_013 == 0 {
        3_000_000_000 + (number >> 40)
    } else {
        number >> 39 & 0xFF_FFFF
    }
}

pub(in crate::demo) fn file(world: &World, place: u64, cells: &mut Cells) -> bool {
    let it = &world.classes.attachments;
    let index = world.files.index(place);
    let number = world.number(Stream::File, place);
    cells
        .int(world.files.key_at(place))
        .uuid(file_uid(world, place));
    cells.maybe_text(file_name(world, index, number).as_deref());
    cells.maybe_text(extension(world, index));
    cells.int(file_size(number)).int(number % 9);
    let order = (number >> 8) % world.instructions.rows();
    cells.maybe_int((number >> 4 & 3 == 0).then(|| world.instructions.key(order)));
    cells.moment(world.moment(Stream::File, place, world.files.rows()));
    cells.maybe_text((number >> 6 & 3 == 0).then(|| text::free(index, number >> 10)));
    cells.maybe_int((number >> 30 & 15 == 0).then_some(2));
    cells.text(parameters(world, index, number));
    let message_missing = it.written + it.record_gone;
    let file_missing = message_missing + it.message_missing;
    cells.maybe_int(match index {
        _ if index < it.written => Some(world.records.key(world.message_record(index))),
        _ if index < message_missing => Some(world.records.absent(index - it.written)),
        _ if index < file_missing => Some(world.records.key(index - message_missing)),
        _ if index < it.read() => Some(world.records.key(world.message_record(index))),
        _ => None,
    });
    cells.int(number >> 35 & 3);
    true
}

const JSON: &[&str] = &[
    "{}",
    "{\"arch\": \"upper\", \"stage\": 4}",
    "{\"matrix\": [1, 0, 0.5, -2.25e-3], \"ok\": true}",
    "{\"big\": 123456789012345678901234567890.123, \"none\": null}",
    "{\"a\": 1, \"a\": 2, \"bb\": {\"z\": [], \"ä\": \"\\u00e4\"}}",
    "{\"note\": \"🦷 \\\"quoted\\\" \\\\ <b>\"}",
    "[]",
];

/// Parameters: JSON, except for what a scripting language printed and what was cut off.
fn parameters(world: &World, index: u64, number: u64) -> &'static str {
    let it = &world.classes.attachments;
    // after the rows without a name where there are rows enough
    let from = it.no_name.min(it.written - it.bad_json);
    match index.checked_sub(from) {
        Some(bad) if bad < it.bad_json => match bad {
            1 | 5 | 9 => "{\"name\": \"cut \\u0000 here\"}",
            _ => text::pick(
                &[
                    "{\"arch\": \"upper",
                    "{'arch': 'upper', 'stage': 4}",
                    "{\"angle\": NaN}",
                ],
                bad,
            ),
        },
        _ => text::pick(JSON, number >> 20),
    }
}

pub(in crate::demo) fn template(world: &World, place: u64, cells: &mut Cells) -> bool {
    let index = world.templates.index(place);
    cells.int(world.templates.key_at(place));
    cells.maybe_text((index % 3 == 0).then(|| text::sentence(index)));
    cells.maybe_text((index % 3 == 1).then(|| text::free(index, index * 61)));
    cells.label("action ", index).raw("notify").int(index % 3);
    cells.maybe_int((index % 4 != 0).then_some(index % 9 + 1));
    cells.bool(index % 2 == 0).bool(index % 5 == 0);
    true
}

pub(in crate::demo) fn view_group(world: &World, place: u64, cells: &mut Cells) -> bool {
    let it = &world.classes.groups;
    let index = world.view_groups.index(place);
    let (template, group) = match view(it.written, it.template_missing, it.other_missing, index) {
        View::Good(n) => (good_template(world, n), TEAMS[nth_other(world, n, 9)]),
        View::TemplateMissing(n) => (lost_template(world, n), text::pick(TEAMS, n)),
        View::OtherMissing(n) => (good_template(world, n * 7), GROUP_LOST),
    };
    cells
        .int(world.view_groups.key_at(place))
        .int(template)
        .int(group);
    true
}

pub(in crate::demo) fn view_role(world: &World, place: u64, cells: &mut Cells) -> bool {
    let it = &world.classes.roles;
    let index = world.view_roles.index(place);
    let roles = world.roles.rows() - crate::demo::world::ROLES_LOST;
    let (template, role) = match view(it.written, it.template_missing, it.other_missing, index) {
        View::Good(n) => (
            good_template(world, n),
            world.good_role(nth_other(world, n, roles) as u64),
        ),
        View::TemplateMissing(n) => (lost_template(world, n), world.good_role(n)),
        View::OtherMissing(n) => (good_template(world, n * 7), world.lost_role(n)),
    };
    cells
        .int(world.view_roles.key_at(place))
        .int(template)
        .int(world.roles.key(role));
    true
}

enum View {
    Good(u64),
    TemplateMissing(u64),
    OtherMissing(u64),
}

/// What a junction row is. A duplicate repeats a good row; the higher key of the two loses.
fn view(written: u64, template_missing: u64, other_missing: u64, index: u64) -> View {
    let orphans = template_missing + other_missing;
    match index.checked_sub(written) {
        None => View::Good(index),
        Some(n) if n < template_missing => View::TemplateMissing(n),
        Some(n) if n < orphans => View::OtherMissing(n - template_missing),
        Some(n) => View::Good((n - orphans) % written),
    }
}

fn good_template(world: &World, n: u64) -> u64 {
    world.templates.key(world.good_template(n))
}

fn lost_template(world: &World, n: u64) -> u64 {
    world.templates.key(n % TEMPLATES_LOST)
}

/// The group or role that goes with the `n`th good row, so that no two rows agree in both.
fn nth_other(world: &World, n: u64, others: u64) -> usize {
    let templates = world.templates.rows() - TEMPLATES_LOST;
    ((n / templates + n % templates) % others) as usize
}
