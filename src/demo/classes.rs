//! How many rows of each kind there are: the numbers at scale 1, and what becomes of them at another.
//!
//! A class is what one rule does with a row: written, one skip code, one reject code, one note code,
//! or filtered. Tables of 500 rows and more scale class by class; read and base are sums of classes.
//! Sub-kinds (an orphan whose record is gone, one whose message is) share out their class.

use super::Plan;
use super::kinds::{
    Attachments, Brackets, Discussions, OrderCases, Purchases, TechnicianRoles, Technicians, Views,
};

/// The least scale at which every class finds the parents it needs.
pub(super) const SCALE_MIN: f64 = 0.001;
/// Parents made for a benchmark of one rule, at most: enough for every index to outgrow a cache.
const PARENTS_MAX: u64 = 1_000_000;

/// Every count of a pair of databases.
#[derive(Clone, Debug)]
pub(super) struct Classes {
    pub(super) attachments: Attachments,
    pub(super) technicians: Technicians,
    pub(super) technician_roles: TechnicianRoles,
    pub(super) brackets: Brackets,
    pub(super) order_cases: OrderCases,
    pub(super) discussions: Discussions,
    pub(super) groups: Views,
    pub(super) roles: Views,
    pub(super) purchases: Purchases,
    /// Patients with one case, two, and none.
    pub(super) patients: [u64; 3],
    /// Users outside the technicians' group that have no profile.
    pub(super) strangers: u64,
    pub(super) records: u64,
    pub(super) projects: u64,
    pub(super) plans: u64,
    pub(super) role_permissions: u64,
    pub(super) templates: u64,
}

impl Classes {
    /// The counts of a plan.
    pub(super) fn of(plan: &Plan) -> Self {
        let mut classes = Self::at(plan.scale);
        if let Some((rule, rows)) = &plan.rows {
            classes.widen(rule, *rows);
        }
        classes
    }

    fn at(scale: f64) -> Self {
        let n = |count: u64| scaled(count, scale);
        let filtered = n(9_815);
        // patients are users; a handful of the others must be left to be doctors
        let patients_of_two = n(40);
        let without_case = n(108);
        let strangers = n(11);
        let room = filtered.saturating_sub(patients_of_two + without_case + strangers + 3);
        let orphans = n(225);
        let role_orphans = n(20);
        Self {
            attachments: Attachments {
                written: n(8_694),
                record_gone: share(orphans, 0, 140, 225),
                message_missing: share(orphans, 140, 200, 225),
                file_missing: share(orphans, 200, 225, 225),
                filtered: n(316_733),
                no_name: n(31),
                bad_json: n(43),
                leftovers: n(18),
            },
            technicians: Technicians {
                written: n(81),
                missing_profile: n(3),
                duplicate_email: n(1),
                filtered,
                no_email: n(2),
                several_groups: n(7).min(n(81)),
            },
            // 48 rows: below the limit, never scaled
            technician_roles: TechnicianRoles {
                written: 28,
                no_technician: 2,
                orphan: 2,
                filtered: 16,
            },
            brackets: Brackets {
                written: n(1_714),
                blank_name: n(6),
                project_gone: n(9).min(n(1_714)),
            },
            order_cases: OrderCases {
                written: n(24_448),
                two_cases: n(123),
                deleted: n(512),
                orphan: n(16),
                no_case: n(36),
            },
            discussions: Discussions {
                written: n(15_935),
                blank: n(240),
                orphan: n(63),
                no_case: n(74),
                author_gone: n(110),
            },
            // 199 rows: never scaled
            groups: Views {
                written: 187,
                template_missing: 4,
                other_missing: 3,
                duplicate_of: 5,
            },
            roles: Views {
                written: n(1_076),
                template_missing: share(role_orphans, 0, 12, 20),
                other_missing: share(role_orphans, 12, 20, 20),
                duplicate_of: n(15),
            },
            purchases: Purchases {
                written: n(3_701),
                not_paid: n(11_902),
                canceled: n(1_421),
                zero_or_free: n(250),
                orphan: n(19),
                negative_total: n(4),
                no_order: n(6),
                product_ambiguous: n(214),
                total_mismatch: n(22),
                subtotal_zero: n(12),
            },
            patients: [n(8_379).min(room.max(1)), patients_of_two, without_case],
            strangers,
            records: n(70_742),
            projects: n(66_918),
            plans: n(209_241),
            role_permissions: n(1_346),
            templates: 169,
        }
        .with_templates()
    }

    /// Gives one rule `rows` rows to read, classes in proportion, and the parents they need.
    fn widen(&mut self, rule: &str, rows: u64) {
        let parents = rows.min(PARENTS_MAX);
        let of = |count: u64, read: u64| scaled(count, rows as f64 / read as f64);
        match rule {
            "message_attachments" => {
                let it = &mut self.attachments;
                let orphans = of(225, 8_919);
                it.record_gone = share(orphans, 0, 140, 225);
                it.message_missing = share(orphans, 140, 200, 225);
                it.file_missing = share(orphans, 200, 225, 225);
                it.no_name = of(31, 8_919);
                it.bad_json = of(43, 8_919);
                it.leftovers = of(18, 8_919);
                it.written = rows.saturating_sub(orphans);
                self.records = self.records.max(parents);
            }
            "technicians" => {
                let it = &mut self.technicians;
                it.missing_profile = of(3, 85);
                it.duplicate_email = of(1, 85);
                it.no_email = of(2, 85);
                it.several_groups = of(7, 85);
                it.written = rows.saturating_sub(it.missing_profile + it.duplicate_email);
            }
            "technician_roles" => {
                let it = &mut self.technician_roles;
                it.no_technician = of(2, 32);
                it.orphan = of(2, 32);
                it.written = rows.saturating_sub(it.no_technician + it.orphan);
                self.technicians.written = self.technicians.written.max(parents);
            }
            "brackets" => {
                let it = &mut self.brackets;
                it.blank_name = of(6, 1_720);
                it.project_gone = of(9, 1_720);
                it.written = rows.saturating_sub(it.blank_name);
                self.projects = self.projects.max(parents);
            }
            "order_cases" => {
                let it = &mut self.order_cases;
                it.two_cases = of(123, 25_012);
                it.deleted = of(512, 25_012);
                it.orphan = of(16, 25_012);
                it.no_case = of(36, 25_012);
                it.written = rows.saturating_sub(it.deleted + it.orphan + it.no_case);
                self.add_patients(parents / 3);
            }
            "treatment_discussions" => {
                let it = &mut self.discussions;
                it.blank = of(240, 16_312);
                it.orphan = of(63, 16_312);
                it.no_case = of(74, 16_312);
                it.author_gone = of(110, 16_312);
                it.written = rows.saturating_sub(it.blank + it.orphan + it.no_case);
                self.plans = self.plans.max(parents);
                self.order_cases.written = self.order_cases.written.max(parents / 2);
                self.add_patients(parents / 6);
            }
            "template_view_groups" => {
                let it = &mut self.groups;
                it.template_missing = of(4, 199);
                it.other_missing = of(3, 199);
                it.duplicate_of = of(5, 199);
                it.written = rows.saturating_sub(it.read() - it.written);
            }
            "template_view_roles" => {
                let it = &mut self.roles;
                it.template_missing = of(12, 1_111);
                it.other_missing = of(8, 1_111);
                it.duplicate_of = of(15, 1_111);
                it.written = rows.saturating_sub(it.read() - it.written);
            }
            _ => {
                let it = &mut self.purchases;
                it.not_paid = of(11_902, 17_297);
                it.canceled = of(1_421, 17_297);
                it.zero_or_free = of(250, 17_297);
                it.orphan = of(19, 17_297);
                it.negative_total = of(4, 17_297);
                it.no_order = of(6, 17_297);
                it.product_ambiguous = of(214, 17_297);
                it.total_mismatch = of(22, 17_297);
                it.subtotal_zero = of(12, 17_297);
                it.written = rows.saturating_sub(it.read() - it.written);
                self.order_cases.written = self.order_cases.written.max(parents);
                self.add_patients(parents / 3);
            }
        }
        *self = self.clone().with_templates();
    }

    fn add_patients(&mut self, wanted: u64) {
        let more = wanted.saturating_sub(self.patients[0]);
        self.patients[0] += more;
        self.technicians.filtered += more;
    }

    /// A junction row is unique per template and group (9 of them arrived) or role (46): many rows
    /// need many templates.
    fn with_templates(mut self) -> Self {
        let roles = self.technician_roles.all() - 2;
        let needed = self.groups.written.div_ceil(9);
        let needed = needed.max(self.roles.written.div_ceil(roles));
        self.templates = self.templates.max(needed + 3);
        self
    }
}

/// A class at a scale: never empty.
fn scaled(count: u64, scale: f64) -> u64 {
    ((count as f64 * scale + 0.5).floor() as u64).max(1)
}

/// The part of a class that lies between `from` and `to` of `whole`.
fn share(class: u64, from: u64, to: u64, whole: u64) -> u64 {
    class * to / whole - class * from / whole
}
