//! Who the users are. Technicians, patients and staff share one table of users; the rest of the
//! generator asks here for the user behind a patient or a comment.

use super::classes::Classes;
use super::space::Space;

/// What a user is, with a number within its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Persona {
    /// A technician that arrives.
    Technician(u64),
    /// A technician whose profile was never migrated.
    NoProfile(u64),
    /// A technician with the e-mail of another whose key is lower.
    Twin(u64),
    /// A patient.
    Patient(u64),
    /// Somebody else whose profile was never migrated.
    Stranger(u64),
    /// A doctor, mostly; some administrators.
    Staff(u64),
}

/// The users of a plan.
#[derive(Clone, Debug)]
pub(super) struct People {
    space: Space,
    /// Where each kind begins, in class order; the last entry is the end.
    starts: [u64; 7],
    no_email: u64,
}

impl People {
    pub(super) fn new(classes: &Classes) -> Self {
        let technicians = &classes.technicians;
        let rows = technicians.read() + technicians.filtered;
        let mut starts = [0; 7];
        let sizes = [
            technicians.written,
            technicians.missing_profile,
            technicians.duplicate_email,
            classes.patients.iter().sum(),
            classes.strangers,
        ];
        for (kind, size) in sizes.into_iter().enumerate() {
            starts[kind + 1] = starts[kind] + size;
        }
        starts[6] = rows;
        Self {
            space: Space::new(rows, 1, 211, 4),
            starts,
            no_email: technicians.no_email.min(technicians.written),
        }
    }

    pub(super) fn rows(&self) -> u64 {
        self.space.rows()
    }

    pub(super) fn key_at(&self, place: u64) -> u64 {
        self.space.key_at(place)
    }

    /// Who is at a place in key order.
    pub(super) fn at(&self, place: u64) -> Persona {
        let index = self.settle(self.space.index(place));
        let kind = self.starts[1..6].iter().filter(|start| index >= **start);
        let kind = kind.count();
        let number = index - self.starts[kind];
        match kind {
            0 => Persona::Technician(number),
            1 => Persona::NoProfile(number),
            2 => Persona::Twin(number),
            3 => Persona::Patient(number),
            4 => Persona::Stranger(number),
            _ => Persona::Staff(number),
        }
    }

    /// The user's key. Numbers wrap around within a kind, so any number names somebody.
    pub(super) fn key(&self, who: Persona) -> u64 {
        self.space.key(self.settle(self.class_index(who)))
    }

    /// The user's place in key order: what numbers of the row are drawn from.
    pub(super) fn place(&self, who: Persona) -> u64 {
        self.space.place(self.settle(self.class_index(who)))
    }

    /// Whether the user's profile was migrated.
    pub(super) fn has_profile(who: Persona) -> bool {
        !matches!(who, Persona::NoProfile(_) | Persona::Stranger(_))
    }

    /// The technician that has a twin's e-mail first.
    pub(super) fn sibling(&self, twin: u64) -> Persona {
        let written = self.starts[1];
        if written > self.no_email + twin {
            Persona::Technician(written - 1 - twin)
        } else {
            Persona::NoProfile(twin)
        }
    }

    /// The user's e-mail as it was typed.
    pub(super) fn email(&self, who: Persona) -> String {
        let key = self.key(who);
        match who {
            Persona::Technician(number) if number < self.no_email => {
                if number % 2 == 0 { "" } else { "   " }.to_owned()
            }
            Persona::Technician(number) => match number % 4 {
                0 => format!("Tech.{key}@Example.org"),
                1 => format!("  tech.{key}@example.org "),
                2 => format!("TECH.{key}@EXAMPLE.ORG"),
                _ => format!("tech.{key}@example.org"),
            },
            Persona::NoProfile(_) => format!("tech.{key}@example.org"),
            Persona::Twin(number) => {
                let email = self.email(self.sibling(number));
                let lower = email.trim().to_lowercase();
                if lower == email.trim() {
                    lower.to_uppercase()
                } else {
                    lower
                }
            }
            // not a technician: the same e-mail here makes nobody a duplicate
            Persona::Patient(0) => self.email(Persona::Technician(self.starts[1] - 1)),
            Persona::Patient(_) => format!("p{key}@mail.example"),
            Persona::Stranger(_) | Persona::Staff(_) => format!("Dr.{key}@clinic.example"),
        }
    }

    /// How many technicians arrive.
    pub(super) fn technicians(&self) -> u64 {
        self.starts[1]
    }

    fn class_index(&self, who: Persona) -> u64 {
        let (kind, number) = match who {
            Persona::Technician(number) => (0, number),
            Persona::NoProfile(number) => (1, number),
            Persona::Twin(number) => (2, number),
            Persona::Patient(number) => (3, number),
            Persona::Stranger(number) => (4, number),
            Persona::Staff(number) => (5, number),
        };
        let size = self.starts[kind + 1] - self.starts[kind];
        self.starts[kind] + number % size
    }

    /// The lower key of two twins must be the sibling's: where the permutation has it the other way
    /// round, the two change places.
    fn settle(&self, index: u64) -> u64 {
        let [.., twins, patients, _, _, _] = self.starts;
        let pair = if (twins..patients).contains(&index) {
            Some((index, self.class_index(self.sibling(index - twins))))
        } else {
            let twin = if index < self.starts[1] {
                self.starts[1] - 1 - index
            } else if index < twins {
                index - self.starts[1]
            } else {
                return index;
            };
            let is_pair = twin < patients - twins && self.class_index(self.sibling(twin)) == index;
            is_pair.then(|| (twins + twin, index))
        };
        match pair {
            Some((twin, sibling)) if self.space.place(twin) < self.space.place(sibling) => {
                if index == twin { sibling } else { twin }
            }
            _ => index,
        }
    }
}
