-- A Supabase project: what earlier migrations filled, the nine tables that remain, and the tables
-- in which old scripts kept count. As SQLite declares it: schema.table is schema_table, a label is
-- checked, and a trigger sets updated_at after an update that did not.

create table if not exists auth_users (
  instance_id UUID,
  id UUID not null primary key,
  aud VARCHAR(255),
  role VARCHAR(255),
  email VARCHAR(255),
  encrypted_password VARCHAR(255),
  email_confirmed_at TIMESTAMPTZ,
  raw_app_meta_data JSONB,
  raw_user_meta_data JSONB,
  created_at TIMESTAMPTZ,
  updated_at TIMESTAMPTZ,
  last_sign_in_at TIMESTAMPTZ,
  banned_until TIMESTAMPTZ,
  deleted_at TIMESTAMPTZ,
  phone TEXT unique,
  confirmation_token VARCHAR(255) default '',
  recovery_token VARCHAR(255) default '',
  email_change VARCHAR(255) default '',
  email_change_token_new VARCHAR(255) default '',
  email_change_token_current VARCHAR(255) default '',
  email_change_confirm_status INT2 default 0,
  phone_change TEXT default '',
  phone_change_token VARCHAR(255) default '',
  reauthentication_token VARCHAR(255) default '',
  is_sso_user BOOLEAN not null default 0,
  is_anonymous BOOLEAN not null default 0
);
create unique index if not exists users_email_partial_key on auth_users (email) where is_sso_user = 0;
create table if not exists auth_identities (
  id UUID not null primary key,
  provider_id TEXT not null,
  user_id UUID not null references auth_users (id) on delete cascade,
  identity_data JSONB not null,
  provider TEXT not null,
  last_sign_in_at TIMESTAMPTZ,
  created_at TIMESTAMPTZ,
  updated_at TIMESTAMPTZ,
  unique (provider_id, provider)
);
create table if not exists storage_objects (
  id UUID not null primary key,
  bucket_id TEXT not null,
  name TEXT not null,
  created_at TIMESTAMPTZ default (strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00'),
  updated_at TIMESTAMPTZ default (strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00'),
  metadata JSONB,
  unique (bucket_id, name)
);
create table if not exists profiles (
  id UUID not null primary key,
  profile_type VARCHAR(50) not null,
  first_name VARCHAR(255),
  last_name VARCHAR(255),
  email VARCHAR(255),
  username VARCHAR(150),
  is_active BOOLEAN not null default 1,
  legacy_user_id INT4 unique,
  created_at TIMESTAMPTZ default (strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00'),
  updated_at TIMESTAMPTZ default (strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00'),
  metadata JSONB default '{}'
);
create table if not exists patients (
  id UUID not null primary key,
  profile_id UUID not null references profiles (id),
  legacy_patient_id INT4 unique
);
create table if not exists cases (
  id UUID not null primary key,
  patient_id UUID not null references patients (id),
  case_number VARCHAR(50) not null unique,
  status VARCHAR(50) not null,
  legacy_patient_id INT4,
  created_at TIMESTAMPTZ default (strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00')
);
create index if not exists cases_legacy_patient_id on cases (legacy_patient_id);
create table if not exists orders (
  id UUID not null primary key,
  order_number VARCHAR(50) not null,
  patient_id UUID not null references patients (id),
  course_type VARCHAR(50),
  status VARCHAR(50),
  legacy_instruction_id INT4 unique
);
create table if not exists products (
  id UUID not null primary key,
  name VARCHAR(255) not null,
  legacy_product_id INT4 unique
);
create table if not exists messages (
  id UUID not null primary key,
  content TEXT,
  sender_id UUID references profiles (id),
  legacy_record_id INT4 unique
);
create table if not exists files (
  id UUID not null primary key,
  filename TEXT not null,
  mime_type VARCHAR(100),
  file_size_bytes BIGINT,
  storage_path TEXT,
  legacy_file_id INT4 unique
);
create table if not exists treatment_plans (
  id UUID not null primary key,
  legacy_plan_id INT4 unique
);
create table if not exists templates (
  id UUID not null primary key,
  name VARCHAR(255) not null,
  legacy_template_id INT4 unique
);
create table if not exists roles (
  id UUID not null primary key,
  name VARCHAR(255) not null,
  legacy_id INT4 unique
);
create table if not exists teams (
  id UUID not null primary key,
  name VARCHAR(255) not null,
  legacy_group_id INT4 unique
);
create table if not exists projects (
  id UUID not null primary key,
  legacy_project_id INT4 unique
);

-- The nine that remain.

create table if not exists message_attachments (
  id UUID not null primary key,
  message_id UUID not null references messages (id) on delete cascade,
  file_id UUID not null references files (id) on delete cascade,
  attachment_type VARCHAR(50) not null,
  display_name VARCHAR(255),
  file_size BIGINT,
  mime_type VARCHAR(100),
  attached_at TIMESTAMPTZ not null,
  legacy_attachment_id INT4 unique,
  legacy_file_id INT4,
  legacy_record_id INT4,
  created_at TIMESTAMPTZ default (strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00'),
  updated_at TIMESTAMPTZ default (strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00'),
  metadata JSONB default '{}',
  unique (message_id, file_id)
);
create table if not exists technicians (
  id UUID not null primary key,
  profile_id UUID not null unique references profiles (id),
  user_id UUID references auth_users (id) on delete set null,
  auth_linked BOOLEAN default 0,
  first_name VARCHAR(255),
  last_name VARCHAR(255),
  email VARCHAR(255),
  phone VARCHAR(50),
  specialty VARCHAR(255),
  employee_id VARCHAR(50) unique,
  status VARCHAR(20) check (status in ('active', 'inactive', 'terminated', 'on_leave')),
  is_active BOOLEAN,
  hire_date DATE,
  legacy_user_id INT4 not null unique,
  legacy_technician_id INT4 not null unique,
  created_at TIMESTAMPTZ default (strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00'),
  updated_at TIMESTAMPTZ default (strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00'),
  metadata JSONB default '{}'
);
create table if not exists technician_roles (
  id UUID not null primary key,
  technician_id UUID not null references technicians (id),
  role_type VARCHAR(20) not null check (role_type in ('designing', 'manufacturing', 'sectioning', 'remote', 'quality_control', 'master')),
  role_name VARCHAR(255) not null,
  abbreviation VARCHAR(10),
  permissions JSONB not null,
  is_active BOOLEAN,
  assigned_at TIMESTAMPTZ,
  legacy_role_id INT4 not null unique,
  created_at TIMESTAMPTZ default (strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00'),
  updated_at TIMESTAMPTZ default (strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00'),
  metadata JSONB default '{}'
);
create table if not exists brackets (
  id UUID not null primary key,
  name VARCHAR(255) not null check (trim(name) <> ''),
  bracket_type VARCHAR(100) not null,
  material VARCHAR(100),
  manufacturer VARCHAR(255),
  slot_size NUMERIC(4,3) check (slot_size > 0 and slot_size < 1),
  arch_type VARCHAR(10) check (arch_type in ('upper', 'lower', 'both')),
  project_id UUID references projects (id),
  active BOOLEAN,
  legacy_bracket_id INT4 not null unique,
  legacy_project_id INT4,
  created_at TIMESTAMPTZ default (strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00'),
  updated_at TIMESTAMPTZ default (strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00'),
  metadata JSONB default '{}'
);
create table if not exists order_cases (
  id UUID not null primary key,
  order_id UUID not null references orders (id),
  case_id UUID not null references cases (id),
  relationship_type VARCHAR(50) not null,
  status VARCHAR(50),
  is_active BOOLEAN,
  linked_at TIMESTAMPTZ not null,
  legacy_order_id INT4,
  legacy_case_id INT4,
  created_at TIMESTAMPTZ default (strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00'),
  updated_at TIMESTAMPTZ default (strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00'),
  metadata JSONB default '{}',
  unique (order_id, case_id)
);
create table if not exists purchases (
  id UUID not null primary key,
  order_id UUID references orders (id),
  product_id UUID references products (id),
  purchased_by UUID references profiles (id),
  quantity INT4 not null check (quantity > 0),
  unit_price NUMERIC(12,2),
  subtotal NUMERIC(12,2) not null check (subtotal >= 0),
  tax_amount NUMERIC(12,2),
  discount_amount NUMERIC(12,2),
  total_amount NUMERIC(12,2) not null check (total_amount >= 0),
  currency CHAR(3) not null,
  status VARCHAR(50) not null,
  purchased_at TIMESTAMPTZ not null,
  audit_trail JSONB not null,
  legacy_purchase_id INT4 not null unique,
  legacy_order_id INT4,
  created_at TIMESTAMPTZ default (strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00'),
  updated_at TIMESTAMPTZ default (strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00'),
  metadata JSONB default '{}'
);
create table if not exists treatment_discussions (
  id UUID not null primary key,
  case_id UUID not null references cases (id),
  treatment_plan_id UUID references treatment_plans (id),
  author_id UUID references profiles (id),
  author_role TEXT,
  participants JSONB not null,
  content TEXT not null check (trim(content) <> ''),
  discussion_type VARCHAR(50),
  status VARCHAR(50),
  is_visible_to_patient BOOLEAN,
  started_at TIMESTAMPTZ not null,
  last_activity_at TIMESTAMPTZ,
  legacy_comment_id INT4 not null unique,
  created_at TIMESTAMPTZ default (strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00'),
  updated_at TIMESTAMPTZ default (strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00'),
  metadata JSONB default '{}'
);
create table if not exists template_view_groups (
  id UUID not null primary key,
  template_id UUID not null references templates (id),
  group_id UUID not null references teams (id),
  permissions JSONB not null,
  is_active BOOLEAN,
  legacy_junction_id INT4 not null unique,
  created_at TIMESTAMPTZ default (strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00'),
  updated_at TIMESTAMPTZ default (strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00'),
  metadata JSONB default '{}',
  unique (template_id, group_id)
);
create table if not exists template_view_roles (
  id UUID not null primary key,
  template_id UUID not null references templates (id),
  role_id UUID not null references roles (id),
  permissions JSONB not null default '["view"]',
  can_view BOOLEAN not null,
  can_edit BOOLEAN,
  can_create BOOLEAN,
  can_delete BOOLEAN,
  is_active BOOLEAN,
  legacy_junction_id INT4 not null unique,
  created_at TIMESTAMPTZ default (strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00'),
  updated_at TIMESTAMPTZ default (strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00'),
  metadata JSONB default '{}',
  unique (template_id, role_id)
);

create trigger if not exists message_attachments_set_updated_at after update on message_attachments
when new.updated_at is old.updated_at begin
  update message_attachments set updated_at = strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00' where id = new.id;
end;
create trigger if not exists technicians_set_updated_at after update on technicians
when new.updated_at is old.updated_at begin
  update technicians set updated_at = strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00' where id = new.id;
end;
create trigger if not exists technician_roles_set_updated_at after update on technician_roles
when new.updated_at is old.updated_at begin
  update technician_roles set updated_at = strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00' where id = new.id;
end;
create trigger if not exists brackets_set_updated_at after update on brackets
when new.updated_at is old.updated_at begin
  update brackets set updated_at = strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00' where id = new.id;
end;
create trigger if not exists order_cases_set_updated_at after update on order_cases
when new.updated_at is old.updated_at begin
  update order_cases set updated_at = strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00' where id = new.id;
end;
create trigger if not exists purchases_set_updated_at after update on purchases
when new.updated_at is old.updated_at begin
  update purchases set updated_at = strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00' where id = new.id;
end;
create trigger if not exists treatment_discussions_set_updated_at after update on treatment_discussions
when new.updated_at is old.updated_at begin
  update treatment_discussions set updated_at = strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00' where id = new.id;
end;
create trigger if not exists template_view_groups_set_updated_at after update on template_view_groups
when new.updated_at is old.updated_at begin
  update template_view_groups set updated_at = strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00' where id = new.id;
end;
create trigger if not exists template_view_roles_set_updated_at after update on template_view_roles
when new.updated_at is old.updated_at begin
  update template_view_roles set updated_at = strftime('%Y-%m-%d %H:%M:%f', 'now') || '+00' where id = new.id;
end;

-- Where the old scripts kept count; dashboards still read them.

create table if not exists migration_mappings (
  entity_type VARCHAR(100) not null,
  legacy_id INT4 not null,
  new_id UUID not null unique,
  migrated_at TIMESTAMPTZ,
  migration_batch VARCHAR(100),
  primary key (entity_type, legacy_id)
);
create table if not exists migration_control (
  id INTEGER PRIMARY KEY,
  phase VARCHAR(100),
  table_name VARCHAR(100),
  operation VARCHAR(100),
  status VARCHAR(50),
  records_processed INT4,
  total_records INT4,
  started_at TIMESTAMPTZ,
  completed_at TIMESTAMPTZ,
  error_message TEXT,
  batch_size INT4,
  worker_id INT4,
  source_query TEXT,
  validation_query TEXT
);
