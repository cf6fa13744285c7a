//! What becomes of the rows of each base table: one count per class.

/// Rows of `dispatch_file` with a record, and the rest.
#[derive(Clone, Debug)]
pub(super) struct Attachments {
    pub(super) written: u64,
    pub(super) record_gone: u64,
    pub(super) message_missing: u64,
    pub(super) file_missing: u64,
    pub(super) filtered: u64,
    pub(super) no_name: u64,
    pub(super) bad_json: u64,
    /// Of the written: rows an old script left in the target.
    pub(super) leftovers: u64,
}

/// Members of the technicians' group among the users.
#[derive(Clone, Debug)]
pub(super) struct Technicians {
    pub(super) written: u64,
    pub(super) missing_profile: u64,
    pub(super) duplicate_email: u64,
    pub(super) filtered: u64,
    pub(super) no_email: u64,
    pub(super) several_groups: u64,
}

/// Rows of `dispatch_role`.
#[derive(Clone, Debug)]
pub(super) struct TechnicianRoles {
    pub(super) written: u64,
    pub(super) no_technician: u64,
    pub(super) orphan: u64,
    pub(super) filtered: u64,
}

/// Rows of `dispatch_bracket`.
#[derive(Clone, Debug)]
pub(super) struct Brackets {
    pub(super) written: u64,
    pub(super) blank_name: u64,
    pub(super) project_gone: u64,
}

/// Rows of `dispatch_instruction`.
#[derive(Clone, Debug)]
pub(super) struct OrderCases {
    pub(super) written: u64,
    /// Of the written: orders of patients with two cases.
    pub(super) two_cases: u64,
    pub(super) deleted: u64,
    pub(super) orphan: u64,
    pub(super) no_case: u64,
}

/// Rows of `dispatch_comment`.
#[derive(Clone, Debug)]
pub(super) struct Discussions {
    pub(super) written: u64,
    pub(super) blank: u64,
    pub(super) orphan: u64,
    pub(super) no_case: u64,
    pub(super) author_gone: u64,
}

/// Rows of a junction between templates and groups or roles.
#[derive(Clone, Debug)]
pub(super) struct Views {
    pub(super) written: u64,
    pub(super) template_missing: u64,
    /// The group or the role.
    pub(super) other_missing: u64,
    pub(super) duplicate_of: u64,
}

/// Rows of `dispatch_payment`.
#[derive(Clone, Debug)]
pub(super) struct Purchases {
    pub(super) written: u64,
    pub(super) not_paid: u64,
    pub(super) canceled: u64,
    pub(super) zero_or_free: u64,
    pub(super) orphan: u64,
    pub(super) negative_total: u64,
    pub(super) no_order: u64,
    pub(super) product_ambiguous: u64,
    /// Among them all of `subtotal_zero`: a total without a subtotal is more than its tax.
    pub(super) total_mismatch: u64,
    pub(super) subtotal_zero: u64,
}

impl Attachments {
    pub(super) fn orphan(&self) -> u64 {
        self.record_gone + self.message_missing + self.file_missing
    }
    pub(super) fn read(&self) -> u64 {
        self.written + self.orphan()
    }
}

impl Technicians {
    pub(super) fn read(&self) -> u64 {
        self.written + self.missing_profile + self.duplicate_email
    }
}

impl TechnicianRoles {
    pub(super) fn read(&self) -> u64 {
        self.written + self.no_technician + self.orphan
    }
    pub(super) fn all(&self) -> u64 {
        self.read() + self.filtered
    }
}

impl Brackets {
    pub(super) fn read(&self) -> u64 {
        self.written + self.blank_name
    }
}

impl OrderCases {
    pub(super) fn read(&self) -> u64 {
        self.written + self.deleted + self.orphan + self.no_case
    }
}

impl Discussions {
    pub(super) fn read(&self) -> u64 {
        self.written + self.blank + self.orphan + self.no_case
    }
}

impl Views {
    pub(super) fn orphan(&self) -> u64 {
        self.template_missing + self.other_missing
    }
    pub(super) fn read(&self) -> u64 {
        self.written + self.orphan() + self.duplicate_of
    }
}

impl Purchases {
    pub(super) fn read(&self) -> u64 {
        self.written
            + self.not_paid
            + self.canceled
            + self.zero_or_free
            + self.orphan
            + self.negative_total
    }
}
