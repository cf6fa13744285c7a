//! The tables of the target: columns, sizes, and who makes their rows.

use super::{orders, people};
use crate::demo::source::PRODUCTS;
use crate::demo::tables::{ID, TEXT, Table, UUID};
use crate::demo::world::GROUPS;
use crate::value::Logical::{self, Bool, Int4, Int8, Jsonb, TimestampTz};

/// Tables that wait for the migration.
pub(in crate::demo) const EMPTY: &[&str] = &[
    "technicians",
    "technician_roles",
    "brackets",
    "order_cases",
    "purchases",
    "treatment_discussions",
    "template_view_groups",
    "template_view_roles",
];

/// The tables that are filled, parents first.
pub(in crate::demo) const FILLED: &[Table] = &[
    Table {
        name: "auth.users",
        columns: &[
            ("instance_id", Logical::Uuid),
            UUID,
            ("aud", TEXT),
            ("role", TEXT),
            ("email", TEXT),
            ("encrypted_password", TEXT),
            ("email_confirmed_at", TimestampTz),
            ("raw_app_meta_data", Jsonb),
            ("raw_user_meta_data", Jsonb),
            ("created_at", TimestampTz),
            ("updated_at", TimestampTz),
            // without a default in a real project, and the auth server cannot read them as NULL
            ("confirmation_token", TEXT),
            ("recovery_token", TEXT),
            ("email_change", TEXT),
            ("email_change_token_new", TEXT),
        ],
        places: |world| world.people.rows(),
        row: people::account,
    },
    Table {
        name: "auth.identities",
        columns: &[
            UUID,
            ("provider_id", TEXT),
            ("user_id", Logical::Uuid),
            ("identity_data", Jsonb),
            ("provider", TEXT),
            ("created_at", TimestampTz),
            ("updated_at", TimestampTz),
        ],
        places: |world| world.people.rows(),
        row: people::identity,
    },
    Table {
        name: "profiles",
        columns: &[
            UUID,
            ("profile_type", TEXT),
            ("first_name", TEXT),
            ("last_name", TEXT),
            ("email", TEXT),
            ("username", TEXT),
            ("is_active", Bool),
            ("legacy_user_id", Int4),
            ("created_at", TimestampTz),
            ("updated_at", TimestampTz),
            ("metadata", Jsonb),
        ],
        places: |world| world.people.rows(),
        row: people::profile,
    },
    Table {
        name: "patients",
        columns: &[
            UUID,
            ("profile_id", Logical::Uuid),
            ("legacy_patient_id", Int4),
        ],
        places: |world| world.patients.rows(),
        row: people::patient,
    },
    Table {
        name: "cases",
        columns: &[
            UUID,
            ("patient_id", Logical::Uuid),
            ("case_number", TEXT),
            ("status", TEXT),
            ("legacy_patient_id", Int4),
            ("created_at", TimestampTz),
        ],
        places: |world| world.classes.patients[0] + 2 * world.classes.patients[1],
        row: people::case,
    },
    Table {
        name: "orders",
        columns: &[
            UUID,
            ("order_number", TEXT),
            ("patient_id", Logical::Uuid),
            ("course_type", TEXT),
            ("status", TEXT),
            ("legacy_instruction_id", Int4),
        ],
        places: |world| world.instructions.rows(),
        row: orders::order,
    },
    Table {
        name: "products",
        columns: &[UUID, ("name", TEXT), ("legacy_product_id", Int4)],
        places: |_| PRODUCTS.len() as u64,
        row: orders::product,
    },
    Table {
        name: "messages",
        columns: &[
            UUID,
            ("content", TEXT),
            ("sender_id", Logical::Uuid),
            ("legacy_record_id", Int4),
        ],
        places: |world| world.records.rows(),
        row: orders::message,
    },
    Table {
        name: "files",
        columns: &[
            UUID,
            ("filename", TEXT),
            ("mime_type", TEXT),
            ("file_size_bytes", Int8),
            ("storage_path", TEXT),
            ("legacy_file_id", Int4),
        ],
        places: |world| world.files.rows(),
        row: orders::file,
    },
    Table {
        name: "treatment_plans",
        columns: &[UUID, ("legacy_plan_id", Int4)],
        places: |world| world.plans.rows(),
        row: orders::plan,
    },
    Table {
        name: "templates",
        columns: &[UUID, ("name", TEXT), ("legacy_template_id", Int4)],
        places: |world| world.templates.rows(),
        row: people::template,
    },
    Table {
        name: "roles",
        columns: &[UUID, ("name", TEXT), ("legacy_id", Int4)],
        places: |world| world.roles.rows(),
        row: people::role,
    },
    Table {
        name: "teams",
        columns: &[UUID, ("name", TEXT), ("legacy_group_id", Int4)],
        places: |_| GROUPS.len() as u64,
        row: people::team,
    },
    Table {
        name: "projects",
        columns: &[UUID, ("legacy_project_id", Int4)],
        places: |world| world.projects.rows(),
        row: orders::project,
    },
    Table {
        name: "storage.objects",
        columns: &[
            UUID,
            ("bucket_id", TEXT),
            ("name", TEXT),
            ("created_at", TimestampTz),
            ("updated_at", TimestampTz),
            ("metadata", Jsonb),
        ],
        places: |world| world.classes.attachments.read(),
        row: orders::object,
    },
    Table {
        name: "message_attachments",
        columns: &[
            UUID,
            ("message_id", Logical::Uuid),
            ("file_id", Logical::Uuid),
            ("attachment_type", TEXT),
            ("attached_at", TimestampTz),
            ("created_at", TimestampTz),
            ("updated_at", TimestampTz),
        ],
        places: |world| world.classes.attachments.leftovers,
        row: orders::leftover,
    },
    Table {
        name: "migration_mappings",
        columns: &[
            ("entity_type", TEXT),
            ("legacy_id", Int4),
            ("new_id", Logical::Uuid),
            ("migrated_at", TimestampTz),
            ("migration_batch", TEXT),
        ],
        places: orders::mappings,
        row: orders::mapping,
    },
    Table {
        name: "migration_control",
        columns: &[
            ID,
            ("phase", TEXT),
            ("table_name", TEXT),
            ("operation", TEXT),
            ("status", TEXT),
            ("records_processed", Int4),
            ("total_records", Int4),
            ("started_at", TimestampTz),
            ("completed_at", TimestampTz),
            ("error_message", TEXT),
            ("batch_size", Int4),
            ("worker_id", Int4),
            ("source_query", TEXT),
            ("validation_query", TEXT),
        ],
        places: |_| orders::CONTROL.len() as u64,
        row: orders::control,
    },
];
