//! One pair of databases, as arithmetic: who belongs to whom, for every table that refers to another.

use uuid::Uuid;

use super::Plan;
use super::classes::Classes;
use super::people::{People, Persona};
use super::random::{Stream, mix, uuid};
use super::space::Space;

/// Groups in the source: id and name. `GROUP_LOST` never became a team.
pub(super) const GROUPS: &[(u64, &str)] = &[
    (1, "patient"),
    (2, "doctor"),
    (3, "office"),
    (4, "admin"),
    (5, "master"),
    (6, "support"),
    (7, "billing"),
    (8, "guest"),
    (10, "sales"),
    (11, "technician"),
];
/// The group without a team.
pub(super) const GROUP_LOST: u64 = 8;
/// Groups that became teams.
pub(super) const TEAMS: &[u64] = &[1, 2, 3, 4, 5, 6, 7, 10, 11];
/// The technicians' group.
pub(super) const TECHNICIANS: u64 = 11;

/// Courses with exactly one product.
const COURSES_CLEAR: &[u64] = &[1, 2, 3, 4, 9];
/// Courses with several products, or none.
const COURSES_AMBIGUOUS: &[u64] = &[6, 7, 8];

/// Templates that were never migrated.
pub(super) const TEMPLATES_LOST: u64 = 3;
/// Roles that were never migrated (the last of the class order).
pub(super) const ROLES_LOST: u64 = 2;
/// Every how many plans one was never migrated.
const PLANS_LOST: u64 = 50;

/// 4 January 2016, 08:00 UTC, in microseconds.
const BEGIN: i64 = 1_451_894_400_000_000;
/// About nine and a half years.
const SPAN: i64 = 300_000_000_000_000;

/// Everything the generators of single tables ask.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) classes: Classes,
    pub(super) people: People,
    pub(super) patients: Space,
    pub(super) instructions: Space,
    pub(super) payments: Space,
    pub(super) projects: Space,
    pub(super) brackets: Space,
    pub(super) plans: Space,
    pub(super) comments: Space,
    pub(super) records: Space,
    pub(super) files: Space,
    pub(super) templates: Space,
    pub(super) roles: Space,
    pub(super) view_groups: Space,
    pub(super) view_roles: Space,
}

impl World {
    /// The world of a plan.
    pub(super) fn new(plan: &Plan) -> Self {
        let classes = Classes::of(plan);
        let files = classes.attachments.read() + classes.attachments.filtered;
        Self {
            seed: plan.seed,
            people: People::new(&classes),
            patients: Space::new(classes.patients.iter().sum(), 3, 89, 2),
            instructions: Space::new(classes.order_cases.read(), 5, 127, 1),
            payments: Space::new(classes.purchases.read(), 8, 61, 3),
            projects: Space::new(classes.projects, 2, 401, 7),
            brackets: Space::new(classes.brackets.read(), 9_101, 37, 1),
            plans: Space::new(classes.plans, 7, 1_009, 5),
            comments: Space::new(classes.discussions.read(), 4, 71, 2),
            records: Space::new(classes.records, 6, 333, 1),
            files: Space::new(files, 1, 997, 11),
            templates: Space::new(classes.templates, 3, 23, 1),
            roles: Space::new(classes.technician_roles.all(), 5, 13, 2),
            view_groups: Space::new(classes.groups.read(), 2, 29, 1),
            view_roles: Space::new(classes.roles.read(), 9_001, 41, 2),
            classes,
        }
    }

    /// A number of a row.
    pub(super) fn number(&self, stream: Stream, index: u64) -> u64 {
        mix(self.seed, stream, index)
    }

    /// A uuid made by the old scripts for a legacy key.
    pub(super) fn uuid(&self, stream: Stream, key: u64) -> Uuid {
        uuid(self.seed, stream, key)
    }

    /// When a row was made, in microseconds: later rows later, most with microseconds, some without.
    pub(super) fn moment(&self, stream: Stream, place: u64, rows: u64) -> i64 {
        let number = self.number(stream, place ^ (1 << 40));
        let step = SPAN / rows.max(1) as i64;
        let micros = BEGIN + place as i64 * step + (number % step.max(2) as u64) as i64;
        match number >> 61 {
            0 => micros / 1_000_000 * 1_000_000,
            1 => micros / 100_000 * 100_000,
            _ => micros,
        }
    }

    // --- people -------------------------------------------------------------------------------

    /// The profile of a user.
    pub(super) fn profile(&self, who: Persona) -> Uuid {
        self.uuid(Stream::User, self.people.key(who))
    }

    /// When a user joined.
    pub(super) fn joined(&self, who: Persona) -> i64 {
        self.moment(Stream::User, self.people.place(who), self.people.rows())
    }

    /// The doctor of a patient; some have none, some a doctor whose profile is gone.
    pub(super) fn doctor_of(&self, patient: u64) -> Option<Persona> {
        match patient % 53 {
            0 => Some(Persona::Stranger(patient)),
            11 | 33 => None,
            _ => Some(Persona::Staff(patient.wrapping_mul(7))),
        }
    }

    // --- patients and their cases ----------------------------------------------------------------

    /// The patient of an order, by the order's number in class order.
    pub(super) fn patient_of(&self, instruction: u64) -> u64 {
        let orders = &self.classes.order_cases;
        let [one, two, none] = self.classes.patients;
        let one_case = orders.written.saturating_sub(orders.two_cases);
        let end = orders.read() - orders.no_case;
        match instruction {
            _ if instruction < one_case => instruction % one,
            _ if instruction < orders.written => one + (instruction - one_case) % two,
            _ if instruction < end => instruction % (one + two),
            _ => one + two + (instruction - end) % none,
        }
    }

    // --- orders ----------------------------------------------------------------------------------

    /// Whether an order was deleted.
    pub(super) fn is_deleted(&self, instruction: u64) -> bool {
        let orders = &self.classes.order_cases;
        (orders.written..orders.written + orders.deleted).contains(&instruction)
    }

    /// Whether an order was never migrated.
    pub(super) fn is_lost_order(&self, instruction: u64) -> bool {
        let orders = &self.classes.order_cases;
        let start = orders.written + orders.deleted;
        (start..start + orders.orphan).contains(&instruction)
    }

    /// An order that was never migrated.
    pub(super) fn lost_order(&self, n: u64) -> u64 {
        let orders = &self.classes.order_cases;
        orders.written + orders.deleted + n % orders.orphan
    }

    /// The course of an order: of ten orders in a row the last two have an ambiguous one.
    pub(super) fn course_of(&self, instruction: u64) -> u64 {
        let (ten, one) = (instruction / 10, instruction % 10);
        if one < 8 {
            COURSES_CLEAR[((ten + one) % COURSES_CLEAR.len() as u64) as usize]
        } else {
            COURSES_AMBIGUOUS[(ten % COURSES_AMBIGUOUS.len() as u64) as usize]
        }
    }

    /// A migrated order whose course has exactly one product.
    pub(super) fn clear_order(&self, n: u64) -> u64 {
        let n = n % (self.classes.order_cases.written / 10 * 8);
        n / 8 * 10 + n % 8
    }

    /// A migrated order whose course has several products or none.
    pub(super) fn ambiguous_order(&self, n: u64) -> u64 {
        let n = n % (self.classes.order_cases.written / 10 * 2);
        n / 2 * 10 + 8 + n % 2
    }

    // --- plans -----------------------------------------------------------------------------------

    /// The order of a plan: the first plans belong to patients without a case, the others to orders
    /// that arrive.
    pub(super) fn instruction_of(&self, plan: u64) -> u64 {
        let orders = &self.classes.order_cases;
        if plan < orders.no_case {
            orders.read() - orders.no_case + plan
        } else {
            plan % orders.written
        }
    }

    /// A plan of an order that arrives.
    pub(super) fn good_plan(&self, n: u64) -> u64 {
        let first = self.classes.order_cases.no_case;
        first + n % (self.plans.rows() - first)
    }

    /// Whether a plan was never migrated.
    pub(super) fn is_lost_plan(&self, plan: u64) -> bool {
        plan % PLANS_LOST == 17
    }

    // --- messages and files ------------------------------------------------------------------------

    /// Whether a record never became a message: the first of the class order.
    pub(super) fn is_lost_record(&self, record: u64) -> bool {
        record < self.classes.attachments.message_missing
    }

    /// A record that became a message.
    pub(super) fn message_record(&self, n: u64) -> u64 {
        let lost = self.classes.attachments.message_missing;
        lost + n % (self.records.rows() - lost)
    }

    /// Whether a file was never migrated.
    pub(super) fn is_lost_file(&self, file: u64) -> bool {
        let it = &self.classes.attachments;
        (it.read() - it.file_missing..it.read()).contains(&file)
    }

    // --- templates, roles, projects ---------------------------------------------------------------

    /// A migrated role.
    pub(super) fn good_role(&self, n: u64) -> u64 {
        n % (self.roles.rows() - ROLES_LOST)
    }

    /// A role that was never migrated.
    pub(super) fn lost_role(&self, n: u64) -> u64 {
        self.roles.rows() - 1 - n % ROLES_LOST
    }

    /// A migrated template.
    pub(super) fn good_template(&self, n: u64) -> u64 {
        TEMPLATES_LOST + n % (self.templates.rows() - TEMPLATES_LOST)
    }

    /// How many projects were never migrated although brackets refer to them.
    pub(super) fn lost_projects(&self) -> u64 {
        self.classes.brackets.project_gone / 2
    }

    /// A migrated project.
    pub(super) fn good_project(&self, n: u64) -> u64 {
        let lost = self.lost_projects();
        lost + n % (self.projects.rows() - lost)
    }
}
