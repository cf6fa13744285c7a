//! Rows of the target: orders, products, projects, plans, messages, files, and what an old script
//! left of message attachments.

use uuid::Uuid;

use super::people::{MIGRATED, patient_id};
use crate::demo::cells::Cells;
use crate::demo::people::Persona;
use crate::demo::random::Stream;
use crate::demo::source::{
    COURSES, PRODUCTS, extension, file_name, file_size, file_uid, record_text,
};
use crate::demo::text;
use crate::demo::world::World;

/// Every how many attached files the object is missing from storage.
const OBJECTS_LOST: u64 = 241;

pub(in crate::demo) fn order(world: &World, place: u64, cells: &mut Cells) -> bool {
    let index = world.instructions.index(place);
    if world.is_lost_order(index) {
        return false;
    }
    let key = world.instructions.key_at(place);
    let course = world.course_of(index);
    let kind = COURSES
        .iter()
        .find(|(id, ..)| *id == course)
        .map_or(3, |it| it.2);
    cells.uuid(world.uuid(Stream::Order, key)).label("O-", key);
    cells.uuid(patient_id(
        world,
        world.patients.key(world.patient_of(index)),
    ));
    cells.raw(text::pick(
        &[
            "main",
            "refinement",
            "any",
            "replacement",
            "invoice",
            "merchandise",
        ],
        kind - 1,
    ));
    cells
        .raw(if world.is_deleted(index) {
            "deleted"
        } else {
            "open"
        })
        .int(key);
    true
}

pub(in crate::demo) fn product(world: &World, place: u64, cells: &mut Cells) -> bool {
    let (key, name, _) = PRODUCTS[place as usize];
    cells
        .uuid(world.uuid(Stream::Product, key))
        .text(name)
        .int(key);
    true
}

pub(in crate::demo) fn project(world: &World, place: u64, cells: &mut Cells) -> bool {
    if world.projects.index(place) < world.lost_projects() {
        return false;
    }
    let key = world.projects.key_at(place);
    cells.uuid(world.uuid(Stream::Project, key)).int(key);
    true
}

pub(in crate::demo) fn plan(world: &World, place: u64, cells: &mut Cells) -> bool {
    if world.is_lost_plan(world.plans.index(place)) {
        return false;
    }
    let key = world.plans.key_at(place);
    cells.uuid(world.uuid(Stream::Plan, key)).int(key);
    true
}

pub(in crate::demo) fn message(world: &World, place: u64, cells: &mut Cells) -> bool {
    let index = world.records.index(place);
    if world.is_lost_record(index) {
        return false;
    }
    let number = world.number(Stream::Record, place);
    let key = world.records.key_at(place);
    cells
        .uuid(world.uuid(Stream::Record, key))
        .text(record_text(index, number));
    if number >> 42 & 15 == 0 {
        cells.null();
    } else {
        cells.uuid(world.profile(Persona::Staff(number >> 12)));
    }
    cells.int(key);
    true
}

pub(in crate::demo) fn file(world: &World, place: u64, cells: &mut Cells) -> bool {
    let index = world.files.index(place);
    if world.is_lost_file(index) {
        return false;
    }
    let number = world.number(Stream::File, place);
    let uid = file_uid(world, place);
    let key = world.files.key_at(place);
    cells.uuid(world.uuid(Stream::File, key));
    match file_name(world, index, number) {
        Some(name) => cells.text(&name),
        None => cells.text(&uid.to_string()),
    };
    cells.raw("application/octet-stream").int(file_size(number));
    cells.raw(&storage_path(world, index, uid)).int(key);
    true
}

fn storage_path(world: &World, index: u64, uid: Uuid) -> String {
    match extension(world, index) {
        Some(extension) => format!("legacy/{uid}.{}", extension.to_lowercase()),
        None => format!("legacy/{uid}"),
    }
}

/// Storage knows the files of messages; the bytes of a few were lost.
pub(in crate::demo) fn object(world: &World, nth: u64, cells: &mut Cells) -> bool {
    // attached files come first in class order
    if world.is_lost_file(nth) || nth % OBJECTS_LOST == OBJECTS_LOST - 1 {
        return false;
    }
    let place = world.files.place(nth);
    let number = world.number(Stream::File, place);
    let uid = file_uid(world, place);
    cells.uuid(world.uuid(Stream::Object, world.files.key_at(place)));
    cells.raw("files").raw(&storage_path(world, nth, uid));
    cells.moment(MIGRATED).moment(MIGRATED);
    cells.raw(&format!(
        "{{\"size\": {}, \"mimetype\": \"application/octet-stream\"}}",
        file_size(number)
    ));
    true
}

/// Attachments that an old script wrote before it broke off: four columns and nothing else.
pub(in crate::demo) fn leftover(world: &World, nth: u64, cells: &mut Cells) -> bool {
    let it = &world.classes.attachments;
    // spread over the written ones
    let index = nth * it.written / it.leftovers;
    let record = world.message_record(index);
    let file = world.files.key(index);
    cells.uuid(world.uuid(Stream::Leftover, file));
    cells.uuid(world.uuid(Stream::Record, world.records.key(record)));
    cells.uuid(world.uuid(Stream::File, file));
    cells.raw("file").moment(MIGRATED + nth as i64 * 1_000_000);
    cells.null().null();
    true
}

/// What the old scripts noted about ids. A few lead nowhere.
pub(in crate::demo) fn mapping(world: &World, place: u64, cells: &mut Cells) -> bool {
    let patients = world.patients.rows();
    let orders = world.instructions.rows();
    let (entity, key, id) = if place < patients {
        let key = world.patients.key_at(place);
        ("patients", key, patient_id(world, key))
    } else if place < patients + orders {
        let place = place - patients;
        let index = world.instructions.index(place);
        let key = world.instructions.key_at(place);
        // orders that never arrived: two were noted nevertheless
        match index.checked_sub(world.lost_order(0)) {
            Some(n) if n < 2 && world.is_lost_order(index) => {
                ("orders", key, world.uuid(Stream::Stale, key))
            }
            _ if world.is_lost_order(index) => return false,
            _ => ("orders", key, world.uuid(Stream::Order, key)),
        }
    } else {
        let n = place - patients - orders;
        let index = world.classes.brackets.written - 1 - n;
        let key = world.brackets.key(index);
        ("brackets", key, world.uuid(Stream::Stale, key ^ (1 << 43)))
    };
    cells
        .raw(entity)
        .int(key)
        .uuid(id)
        .moment(MIGRATED)
        .raw("2025-06-03");
    true
}

/// Mappings at most: patients, orders, and three brackets that were never written.
pub(in crate::demo) fn mappings(world: &World) -> u64 {
    world.patients.rows() + world.instructions.rows() + 3.min(world.classes.brackets.written)
}

/// What the old scripts noted about themselves.
pub(in crate::demo) const CONTROL: &[(&str, &str, &str, &str)] = &[
    ("core", "profiles", "migrate", "completed"),
    ("core", "patients", "migrate", "completed"),
    ("core", "orders", "migrate", "completed"),
    ("core", "orders", "validate", "completed"),
    ("files", "files", "migrate", "completed"),
    ("files", "message_attachments", "migrate", "failed"),
];

pub(in crate::demo) fn control(world: &World, place: u64, cells: &mut Cells) -> bool {
    let (phase, table, operation, status) = CONTROL[place as usize];
    let failed = status == "failed";
    let records = if failed {
        world.classes.attachments.leftovers
    } else {
        world.people.rows()
    };
    let begin = MIGRATED + place as i64 * 60_000_000;
    cells
        .int(place + 1)
        .raw(phase)
        .raw(table)
        .raw(operation)
        .raw(status);
    cells.int(records).int(if failed {
        world.classes.attachments.read()
    } else {
        records
    });
    cells
        .moment(begin)
        .maybe_moment((!failed).then_some(begin + 45_000_000));
    cells.maybe_text(failed.then_some("connection reset; started again by hand, then given up"));
    cells.int(500).int(place % 2 + 1);
    cells.maybe_text((place == 1).then_some("select * from dispatch_patient"));
    cells.null();
    true
}
