//! Rows of the target: what earlier migrations left there about people, groups and roles.

use uuid::Uuid;

use crate::demo::cells::Cells;
use crate::demo::people::{People, Persona};
use crate::demo::random::Stream;
use crate::demo::source::{has_account, is_active, names, role_name_of, username};
use crate::demo::text;
use crate::demo::world::{GROUP_LOST, GROUPS, ROLES_LOST, TEMPLATES_LOST, World};

/// When the old scripts ran: 3 June 2025, 22:00 UTC.
pub(in crate::demo) const MIGRATED: i64 = 1_748_988_000_000_000;

pub(in crate::demo) fn account(world: &World, place: u64, cells: &mut Cells) -> bool {
    let who = world.people.at(place);
    if !has_account(world, who) {
        return false;
    }
    let email = world.people.email(who).trim().to_lowercase();
    let joined = world.joined(who);
    cells.raw("00000000-0000-0000-0000-000000000000");
    cells
        .uuid(world.profile(who))
        .raw("authenticated")
        .raw("authenticated");
    // no password came over: the account waits for a reset
    cells.text(&email).raw("").moment(MIGRATED);
    cells
        .raw("{\"provider\": \"email\", \"providers\": [\"email\"]}")
        .raw("{}");
    cells.moment(joined).moment(MIGRATED);
    cells.raw("").raw("").raw("").raw("");
    true
}

pub(in crate::demo) fn identity(world: &World, place: u64, cells: &mut Cells) -> bool {
    let who = world.people.at(place);
    if !has_account(world, who) {
        return false;
    }
    let id = world.profile(who);
    let email = world.people.email(who).trim().to_lowercase();
    cells.uuid(world.uuid(Stream::Identity, world.people.key_at(place)));
    cells.text(&id.to_string()).uuid(id);
    cells.text(&format!(
        "{{\"sub\": \"{id}\", \"email\": \"{email}\", \"email_verified\": true, \"phone_verified\": false}}"
    ));
    cells.raw("email").moment(MIGRATED).moment(MIGRATED);
    true
}

pub(in crate::demo) fn profile(world: &World, place: u64, cells: &mut Cells) -> bool {
    let who = world.people.at(place);
    if !People::has_profile(who) {
        return false;
    }
    let key = world.people.key_at(place);
    let number = world.number(Stream::User, key);
    let (first, last) = names(who, number);
    let email = world.people.email(who).trim().to_lowercase();
    cells
        .uuid(world.profile(who))
        .raw(kind(who))
        .text(first)
        .text(last);
    cells.maybe_text((!email.is_empty()).then_some(email.as_str()));
    cells
        .text(&username(world, who))
        .bool(is_active(number))
        .int(key);
    cells.moment(world.joined(who)).moment(MIGRATED).raw("{}");
    true
}

fn kind(who: Persona) -> &'static str {
    match who {
        Persona::Technician(_) | Persona::NoProfile(_) | Persona::Twin(_) => "technician",
        Persona::Patient(_) => "patient",
        Persona::Staff(n) if n % 10 == 9 => "admin",
        Persona::Stranger(_) | Persona::Staff(_) => "doctor",
    }
}

pub(in crate::demo) fn patient(world: &World, place: u64, cells: &mut Cells) -> bool {
    let index = world.patients.index(place);
    let key = world.patients.key_at(place);
    cells.uuid(patient_id(world, key));
    cells.uuid(world.profile(Persona::Patient(index))).int(key);
    true
}

pub(in crate::demo) fn patient_id(world: &World, key: u64) -> Uuid {
    world.uuid(Stream::Patient, key)
}

/// First the first cases of everybody, then the second ones.
pub(in crate::demo) fn case(world: &World, place: u64, cells: &mut Cells) -> bool {
    let [one, two, _] = world.classes.patients;
    let (patient, second) = match place.checked_sub(one + two) {
        None => (place, false),
        Some(n) => (one + n, true),
    };
    let key = world.patients.key(patient);
    let number = world.number(Stream::Case, place);
    let days = if second { 200 } else { 1 } + (number % 90) as i64;
    let made = world.joined(Persona::Patient(patient)) + days * 86_400_000_000;
    cells
        .uuid(world.uuid(Stream::Case, place))
        .uuid(patient_id(world, key));
    cells.label("C-", place + 1);
    cells.raw(text::pick(&["open", "closed", "active"], number >> 8));
    cells.int(key).moment(made);
    true
}

pub(in crate::demo) fn team(world: &World, place: u64, cells: &mut Cells) -> bool {
    let (key, name) = GROUPS[place as usize];
    if key == GROUP_LOST {
        return false;
    }
    cells
        .uuid(world.uuid(Stream::Team, key))
        .text(name)
        .int(key);
    true
}

pub(in crate::demo) fn role(world: &World, place: u64, cells: &mut Cells) -> bool {
    let index = world.roles.index(place);
    if index + ROLES_LOST >= world.roles.rows() {
        return false;
    }
    let key = world.roles.key_at(place);
    cells
        .uuid(world.uuid(Stream::Role, key))
        .text(&role_name_of(world, index))
        .int(key);
    true
}

pub(in crate::demo) fn template(world: &World, place: u64, cells: &mut Cells) -> bool {
    let index = world.templates.index(place);
    if index < TEMPLATES_LOST {
        return false;
    }
    let key = world.templates.key_at(place);
    cells
        .uuid(world.uuid(Stream::Template, key))
        .label("action ", index)
        .int(key);
    true
}
