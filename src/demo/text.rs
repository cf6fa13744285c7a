//! The text people and programs leave in a legacy database.

/// Everything that has ever broken a loader, a terminal, a spreadsheet or a web page. None is blank.
pub(super) const HORRORS: &[&str] = &[
    "🦷 upper left 👩‍⚕️ 𝒳-ray 😀",
    "مرحبا \u{202e}reversed\u{202c} שלום",
    "Zoe\u{308} Cafe\u{301} n\u{303}",
    "trailing blanks   ",
    "first line\n\\.\nlast line",
    "\\N",
    "line one\r\nline two\r\n",
    "<script>alert('x')</script> & <b>bold</b> &amp;",
    "Robert'); drop table students; --",
    "=HYPERLINK(\"http://example.invalid\",\"open\")",
    "\u{1b}[31mred\u{1b}[0m\u{7} bell",
    "\ttab, back\\slash \\t and \"quotes\"",
    "\\.",
    "\u{feff}begins with a byte order mark",
    "${jndi:ldap://x} {{ 7 * 7 }} `id` \"); reject(\"x\"); //",
    "+1+cmd|' /C calc'!A0",
    "nul is written as \\0, null as NULL, none as None",
    "zero\u{200d}width\u{200b} and no\u{a0}break",
];

const FIRST: &[&str] = &[
    "Ada", "Bruno", "Chloe", "Dmitri", "Elif", "Femi", "Greta", "Hiro", "Ines", "Jonas", "Kaja",
    "Liam", "Mona", "Nadia", "Oskar", "Priya", "Quinn", "Rosa", "Sven", "Tariq",
];

const LAST: &[&str] = &[
    "Almeida",
    "Berg",
    "Costa",
    "Dvořák",
    "Eriksen",
    "Fischer",
    "García",
    "Hansen",
    "Ivanova",
    "Jansen",
    "Kowalski",
    "Lindqvist",
    "Müller",
    "Nowak",
    "O'Brien",
    "Petrov",
    "Rossi",
    "Sørensen",
    "Tanaka",
    "Varga",
];

const SENTENCES: &[&str] = &[
    "Please move the midline 1 mm to the left",
    "Attachments on 13 and 23 look fine",
    "Patient asks for fewer aligners",
    "Scan is blurred around the molars, please repeat",
    "Approved, go on with production",
    "IPR between 31 and 41 is too strong",
    "Why is stage 12 missing?",
    "Torque on the upper incisors still wrong",
    "Sent the photos again, see the files",
    "Call me before you change the plan",
];

/// A first name.
pub(super) fn first_name(number: u64) -> &'static str {
    pick(FIRST, number)
}

/// A last name.
pub(super) fn last_name(number: u64) -> &'static str {
    pick(LAST, number >> 8)
}

/// A sentence.
pub(super) fn sentence(number: u64) -> &'static str {
    pick(SENTENCES, number)
}

/// One of the horrors.
pub(super) fn horror(number: u64) -> &'static str {
    pick(HORRORS, number)
}

/// Free text: each horror once among the first rows of a class, and now and then after that.
pub(super) fn free(index: u64, number: u64) -> &'static str {
    if index < HORRORS.len() as u64 {
        horror(index)
    } else if number % 61 == 0 {
        horror(number >> 16)
    } else {
        sentence(number >> 8)
    }
}

/// One of several.
pub(super) fn pick<T: Copy>(from: &[T], number: u64) -> T {
    from[(number % from.len() as u64) as usize]
}
