//! Rows of the source: courses, products, orders, payments, projects, brackets, plans, comments.

use crate::demo::cells::Cells;
use crate::demo::people::Persona;
use crate::demo::random::Stream;
use crate::demo::text;
use crate::demo::world::World;

/// Courses: id, name, type.
pub(in crate::demo) const COURSES: &[(u64, &str, u64)] = &[
    (1, "Main", 1),
    (2, "Refinement", 2),
    (3, "Replacement", 4),
    (4, "Invoice", 5),
    (6, "Any course 🦷", 3),
    (7, "Merchandise", 6),
    (8, "Old merchandise", 6),
    (9, "Main, short", 1),
];

/// Products: id, name, course. Course 6 has two, course 7 three, course 8 none.
pub(in crate::demo) const PRODUCTS: &[(u64, &str, u64)] = &[
    (2, "Aligners, full", 1),
    (3, "Refinement set", 2),
    (5, "Replacement aligner", 3),
    (8, "Invoice item", 4),
    (9, "Aligners, upper", 6),
    (10, "Aligners, lower  ", 6),
    (11, "Case & <b>brush</b>", 7),
    (12, "Cleaning tablets", 7),
    (15, "Sticker 😀", 7),
    (17, "Aligners, short", 9),
];

pub(in crate::demo) fn course(_: &World, place: u64, cells: &mut Cells) -> bool {
    let (key, name, kind) = COURSES[place as usize];
    cells.int(key).text(name).int(kind);
    true
}

pub(in crate::demo) fn product(_: &World, place: u64, cells: &mut Cells) -> bool {
    let (key, name, course) = PRODUCTS[place as usize];
    cells.int(key).text(name);
    cells.maybe_text((place % 3 != 0).then(|| text::horror(place)));
    cells.bool(key == 15).bool(key == 12);
    cells
        .maybe_int((place % 2 == 0).then_some(place % 4 + 1))
        .int(course);
    true
}

pub(in crate::demo) fn instruction(world: &World, place: u64, cells: &mut Cells) -> bool {
    let index = world.instructions.index(place);
    let number = world.number(Stream::Instruction, place);
    let made = instruction_made(world, place);
    cells.int(world.instructions.key_at(place));
    cells.int(world.patients.key(world.patient_of(index)));
    cells.int(world.course_of(index));
    cells.maybe_moment((number % 7 != 3).then_some(made));
    match number >> 8 & 63 {
        // hours that did not exist where the clocks went forward
        0 => cells.raw("2021-03-14 02:30:00"),
        1 => cells.raw("2019-03-31 02:15:00.5"),
        2..=19 => cells.null(),
        _ => cells.local(made + 86_400_000_000),
    };
    cells.bool(world.is_deleted(index)).int(number >> 16 & 7);
    cells.maybe_text((number >> 20 & 3 == 0).then(|| text::free(index, number >> 22)));
    cells.text(if number >> 30 & 15 == 0 { "R" } else { "" });
    cells.text(text::free(index + 40, number >> 34));
    cells.moment(made + 172_800_000_000);
    true
}

/// When an order was made.
pub(in crate::demo) fn instruction_made(world: &World, place: u64) -> i64 {
    world.moment(Stream::Instruction, place, world.instructions.rows())
}

pub(in crate::demo) fn project(world: &World, place: u64, cells: &mut Cells) -> bool {
    let number = world.number(Stream::Project, place);
    cells.int(world.projects.key_at(place));
    cells.uuid(world.uuid(Stream::Project, place ^ (1 << 41)));
    cells.moment(world.moment(Stream::Project, place, world.projects.rows()));
    cells.text(text::free(place, number));
    // some are larger than 32 bits can say
    cells.int(if number % 97 == 0 {
        5_000_000_000 + number % 1_000
    } else {
        number >> 40
    });
    cells
        .bool(number & 1 == 0)
        .int(number >> 1 & 3)
        .int(number >> 3 & 3);
    let creator = (number >> 5 & 7 != 0).then(|| world.people.key(Persona::Staff(number >> 9)));
    cells.maybe_int(creator);
    true
}

const BRACKETS: &[&str] = &[
    "Damon Q 0.022 upper metal",
    "Clarity Advanced 0.018 lower ceramic",
    "Victory Series",
    "In-Ovation R .022",
    "Incognito lingual",
    "Mini Diamond 0.018 both arches",
    "upper molar tube",
    "  Empower 2  ",
];

pub(in crate::demo) fn bracket(world: &World, place: u64, cells: &mut Cells) -> bool {
    let brackets = &world.classes.brackets;
    let index = world.brackets.index(place);
    let gone = brackets.project_gone;
    cells.int(world.brackets.key_at(place));
    match index.checked_sub(brackets.written) {
        Some(blank) if blank % 2 == 0 => cells.null(),
        Some(blank) => cells.text(text::pick(&["", "   ", " "], blank / 2)),
        // horrors once, then real names
        None if index < text::HORRORS.len() as u64 => cells.text(text::horror(index)),
        None => cells.text(text::pick(BRACKETS, index)),
    };
    let lost = world.lost_projects();
    let project = match index {
        _ if index < lost => Some(world.projects.key(index)),
        _ if index < gone => Some(world.projects.absent(index)),
        _ if index % 31 == 30 => None,
        _ => Some(
            world
                .projects
                .key(world.good_project(index.wrapping_mul(37))),
        ),
    };
    cells.maybe_int(project);
    cells.maybe_int((index % 6 != 5).then_some(index % 4 + 1));
    true
}

pub(in crate::demo) fn plan(world: &World, place: u64, cells: &mut Cells) -> bool {
    let index = world.plans.index(place);
    let number = world.number(Stream::Plan, place);
    cells.int(world.plans.key_at(place));
    cells.int(world.instructions.key(world.instruction_of(index)));
    cells.int(world.projects.key(world.good_project(index)));
    cells.maybe_text((number & 7 == 0).then(|| text::free(number >> 40, number >> 3)));
    cells.maybe_int((number >> 3 & 3 != 0).then_some(number >> 5 & 15));
    cells
        .label("Plan ", number >> 48)
        .bool(number >> 9 & 1 == 0);
    true
}

pub(in crate::demo) fn comment(world: &World, place: u64, cells: &mut Cells) -> bool {
    let it = &world.classes.discussions;
    let index = world.comments.index(place);
    let number = world.number(Stream::Comment, place);
    let (orphans, no_case) = (it.written + it.blank, it.read() - it.no_case);
    cells.int(world.comments.key_at(place));
    cells.moment(world.moment(Stream::Comment, place, world.comments.rows()));
    match index {
        _ if index >= it.written && index < orphans => cells.text(text::pick(
            &["", "   ", " ", "\n", " \r\n\t ", ""],
            index - it.written,
        )),
        _ => cells.text(text::free(index, number)),
    };
    let plan = match index {
        _ if index < it.written => world.good_plan(index.wrapping_mul(13)),
        // a blank comment is blank first, whatever it hangs on
        _ if index < orphans => index % world.plans.rows(),
        _ if index < no_case => u64::MAX,
        _ => (index - no_case) % world.classes.order_cases.no_case.min(world.plans.rows()),
    };
    let who = match index {
        _ if index < it.author_gone => (index % 2 == 1).then_some(Persona::Stranger(index)),
        _ => Some(author(world, plan, number)),
    };
    cells.maybe_int(who.map(|who| world.people.key(who)));
    cells.int(if plan == u64::MAX {
        world.plans.absent(index - orphans)
    } else {
        world.plans.key(plan)
    });
    true
}

/// Who commented: the patient's own doctor, another doctor, a technician, the patient.
fn author(world: &World, plan: u64, number: u64) -> Persona {
    let patient = if plan == u64::MAX {
        0
    } else {
        world.patient_of(world.instruction_of(plan))
    };
    match number >> 59 {
        0..=11 => match world.doctor_of(patient) {
            Some(doctor @ Persona::Staff(_)) => doctor,
            _ => Persona::Staff(number >> 3),
        },
        12..=21 => Persona::Technician((number >> 3) % world.people.technicians()),
        22..=24 => Persona::Patient(patient),
        _ => Persona::Staff(number >> 3),
    }
}
