//! Rows of the source: users, groups, permissions, roles, patients.

use crate::demo::cells::Cells;
use crate::demo::people::{People, Persona};
use crate::demo::random::Stream;
use crate::demo::text;
use crate::demo::world::{GROUPS, TECHNICIANS, World};

const PERMISSIONS_PER_TYPE: u64 = 3;
/// Content types: 11 is the patient, 12 the plan, 58 the user.
pub(in crate::demo) const CONTENT_TYPES: u64 = 60;
/// Permissions: three per content type.
pub(in crate::demo) const PERMISSIONS: u64 = CONTENT_TYPES * PERMISSIONS_PER_TYPE;

pub(in crate::demo) fn user(world: &World, place: u64, cells: &mut Cells) -> bool {
    let people = &world.people;
    let who = people.at(place);
    let key = people.key_at(place);
    let number = world.number(Stream::User, key);
    let (first, last) = names(who, number);
    cells.int(key).text(&username(world, who));
    cells.text(first).text(last).text(&people.email(who));
    cells.text(&password(who, number));
    let staff = matches!(who, Persona::Staff(n) if n % 10 == 9);
    cells
        .bool(staff)
        .bool(is_active(number))
        .bool(staff && number % 3 == 0);
    let joined = world.joined(who);
    cells
        .moment(joined)
        .maybe_moment(last_login(joined, number));
    true
}

/// First and last name; the technicians' names are where the horrors are.
pub(in crate::demo) fn names(who: Persona, number: u64) -> (&'static str, &'static str) {
    match who {
        Persona::Technician(n) if n % 3 == 1 => (text::horror(n / 3), text::horror(n / 3 + 5)),
        _ => (text::first_name(number), text::last_name(number)),
    }
}

/// The user name: unique, two of them only when case counts.
pub(in crate::demo) fn username(world: &World, who: Persona) -> String {
    let people = &world.people;
    let key = people.key(who);
    let lone = people.technicians() < 2;
    match who {
        Persona::Technician(0) => "Casey.Twin".to_owned(),
        Persona::Technician(1) => "casey.twin".to_owned(),
        Persona::Staff(0) if lone => "casey.twin".to_owned(),
        Persona::Technician(n) if n % 8 == 2 => format!("zoe\u{308}+{key}@de\u{301}sign"),
        Persona::Technician(_) | Persona::NoProfile(_) | Persona::Twin(_) => {
            format!("tech.{key}")
        }
        Persona::Patient(_) => format!("p{key}"),
        Persona::Stranger(_) | Persona::Staff(_) => format!("dr-{key}"),
    }
}

/// Whether an account is in use.
pub(in crate::demo) fn is_active(number: u64) -> bool {
    number >> 7 & 7 != 0
}

fn last_login(joined: i64, number: u64) -> Option<i64> {
    let later = (number >> 20) as i64 % 30_000_000;
    (number >> 10 & 7 != 0).then(|| joined + later * 1_000_000 + 250_000)
}

/// Django's password column, in every format it has had. The hashes belong to no password.
fn password(who: Persona, number: u64) -> String {
    let format = match who {
        Persona::Technician(n) => n % 8,
        _ => number >> 30 & 63,
    };
    let (a, b) = (number, number.rotate_left(29) ^ 0x5DEE_CE66_D1CE_4E5B);
    match format {
        5 => format!("!{a:016x}{b:016x}{:08x}", a as u32),
        6 => format!("argon2$argon2id$v=19$m=102400,t=2,p=8${a:016x}${b:016x}{a:016x}"),
        7 => format!(
            "bcrypt$$2b$12${a:016x}{b:016x}{a:016x}{:05x}",
            b as u32 & 0xF_FFFF
        ),
        _ => format!("pbkdf2_sha256$260000${a:016x}${b:016x}{a:016x}{b:011x}="),
    }
}

pub(in crate::demo) fn group(_: &World, place: u64, cells: &mut Cells) -> bool {
    let (key, name) = GROUPS[place as usize];
    cells.int(key).text(name);
    true
}

/// Memberships: one for every user, then a second for some technicians.
pub(in crate::demo) fn user_group(world: &World, place: u64, cells: &mut Cells) -> bool {
    let users = world.people.rows();
    let (user, group) = if place < users {
        let who = world.people.at(place);
        let group = match who {
            Persona::Technician(_) | Persona::NoProfile(_) | Persona::Twin(_) => TECHNICIANS,
            Persona::Patient(_) => 1,
            Persona::Stranger(n) | Persona::Staff(n) => {
                text::pick(&[2, 2, 2, 2, 2, 2, 3, 4, 5, 6, 7, 10], n)
            }
        };
        (world.people.key_at(place), group)
    } else {
        let n = place - users;
        let who = Persona::Technician(n);
        (world.people.key(who), text::pick(&[4, 5, 2], n))
    };
    cells.int(place + 2 + place / 50).int(user).int(group);
    true
}

pub(in crate::demo) fn content_type(_: &World, place: u64, cells: &mut Cells) -> bool {
    let key = place + 1;
    cells.int(key);
    match key {
        11 => cells.raw("dispatch").raw("patient"),
        12 => cells.raw("dispatch").raw("plan"),
        58 => cells.raw("auth").raw("user"),
        _ => cells.raw("dispatch").text(&format!("model{key}")),
    };
    true
}

pub(in crate::demo) fn permission(_: &World, place: u64, cells: &mut Cells) -> bool {
    let content_type = place / PERMISSIONS_PER_TYPE + 1;
    let verb = text::pick(&["add", "change", "view"], place % PERMISSIONS_PER_TYPE);
    let model = match content_type {
        11 => "patient".to_owned(),
        12 => "plan".to_owned(),
        58 => "user".to_owned(),
        other => format!("model{other}"),
    };
    cells.int(place + 1).text(&format!("Can {verb} {model}"));
    cells.text(&format!("{verb}_{model}")).int(content_type);
    true
}

const TITLES: &[(u64, &str, &str)] = &[
    (1, "Designing", "DSG"),
    (2, "Manufacturing", "MFG"),
    (3, "Sectioning", "SEC"),
    (4, "Remote planning", "REM"),
    (5, "Quality control", "QC"),
    (6, "Master of planning", "MST"),
];

pub(in crate::demo) fn role(world: &World, place: u64, cells: &mut Cells) -> bool {
    let roles = &world.classes.technician_roles;
    let index = world.roles.index(place);
    let (kind, title, short) = text::pick(TITLES, index);
    let key = world.roles.key_at(place);
    cells.int(key).text(&role_name(world, index, title));
    cells.maybe_text((index % 4 != 3).then_some(short));
    cells.int(kind).int(place % 20 + 1);
    let orphans = roles.written + roles.no_technician;
    let (user, group) = match index {
        _ if index < roles.written => (Some(Persona::Technician(index)), TECHNICIANS),
        _ if index < orphans => (None, TECHNICIANS),
        // a user who is no technician, and a technician who was rejected
        _ if index < roles.read() => match (index - orphans) % 2 {
            0 => (Some(Persona::Staff(index)), TECHNICIANS),
            _ => (Some(Persona::Twin(index)), TECHNICIANS),
        },
        _ => (
            Some(Persona::Staff(index)),
            text::pick(&[2, 4, 5, 6], index),
        ),
    };
    cells
        .maybe_int(user.map(|who| world.people.key(who)))
        .int(group);
    true
}

/// A role's name: mostly its title, sometimes what somebody typed.
pub(in crate::demo) fn role_name(world: &World, index: u64, title: &str) -> String {
    let key = world.roles.key(index);
    if index % 5 == 4 {
        text::horror(index / 5).to_owned()
    } else {
        format!("{title} {key}")
    }
}

/// The name of a role, for the table that already holds it.
pub(in crate::demo) fn role_name_of(world: &World, index: u64) -> String {
    let (_, title, _) = text::pick(TITLES, index);
    role_name(world, index, title)
}

pub(in crate::demo) fn role_permission(world: &World, place: u64, cells: &mut Cells) -> bool {
    let roles = world.roles.rows();
    let role = place % roles;
    let permission = (place / roles + role * 7) % PERMISSIONS;
    cells.int(place + 1 + place / 100 * 2);
    cells.int(world.roles.key(role)).int(permission + 1);
    true
}

pub(in crate::demo) fn patient(world: &World, place: u64, cells: &mut Cells) -> bool {
    let index = world.patients.index(place);
    let number = world.number(Stream::Patient, place);
    cells.int(world.patients.key_at(place));
    cells.int(world.people.key(Persona::Patient(index)));
    let doctor = world.doctor_of(index).map(|who| world.people.key(who));
    cells.maybe_int(doctor);
    cells.maybe_int((number % 5 != 0).then_some(number % 300 + 1));
    cells.bool(number >> 8 & 15 == 0);
    cells.maybe_int((number >> 12 & 7 != 0).then_some(number >> 15 & 7));
    let joined = world.joined(Persona::Patient(index));
    cells.maybe_moment((number >> 18 & 3 != 0).then_some(joined + 3_600_000_000));
    cells.maybe_moment((number >> 20 & 3 != 0).then_some(joined + 7_200_500_000));
    cells.text(if number % 7 == 0 {
        text::horror(number >> 8)
    } else {
        ""
    });
    cells.maybe_int((number >> 22 & 7 != 0).then_some(number >> 25 & 1));
    cells.bool(number >> 26 & 31 == 0);
    if number >> 31 & 7 == 0 {
        cells.null();
    } else {
        cells.date(joined - (3_000 + (number >> 34) as i64 % 20_000) * 86_400_000_000);
    }
    match index {
        // the end of a day, which a clock of a programming language does not know
        0 | 100 => cells.raw("24:00:00"),
        1 => cells.raw("23:59:59.999999"),
        _ if number >> 50 & 1 == 0 => cells.null(),
        _ => cells.raw(text::pick(
            &["06:30:00", "07:15:00", "00:00:00"],
            number >> 51,
        )),
    };
    cells.text(text::pick(
        &["{}", "{\"upper\": [11, 12]}", "{'lower': None}", "[1, 2, 3"],
        number >> 54,
    ));
    true
}

/// Whether a user's row in the target has an account to sign in with.
pub(in crate::demo) fn has_account(world: &World, who: Persona) -> bool {
    let people = &world.people;
    let wanted = match who {
        Persona::Technician(n) => n % 4 != 3,
        Persona::Patient(n) => n % 2 == 0 && n > 0,
        Persona::Staff(_) => true,
        Persona::NoProfile(_) | Persona::Twin(_) | Persona::Stranger(_) => false,
    };
    wanted && People::has_profile(who) && !people.email(who).trim().is_empty()
}
