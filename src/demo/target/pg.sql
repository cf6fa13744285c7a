-- A Supabase project: what earlier migrations filled, the nine tables that remain, and the tables
-- in which old scripts kept count.

create schema if not exists auth;
create schema if not exists storage;

create table if not exists auth.users (
  instance_id uuid,
  id uuid primary key,
  aud varchar(255),
  role varchar(255),
  email varchar(255),
  encrypted_password varchar(255),
  email_confirmed_at timestamptz,
  raw_app_meta_data jsonb,
  raw_user_meta_data jsonb,
  created_at timestamptz,
  updated_at timestamptz,
  last_sign_in_at timestamptz,
  banned_until timestamptz,
  deleted_at timestamptz,
  phone text unique,
  confirmation_token varchar(255) default '',
  recovery_token varchar(255) default '',
  email_change varchar(255) default '',
  email_change_token_new varchar(255) default '',
  email_change_token_current varchar(255) default '',
  email_change_confirm_status smallint default 0,
  phone_change text default '',
  phone_change_token varchar(255) default '',
  reauthentication_token varchar(255) default '',
  is_sso_user boolean not null default false,
  is_anonymous boolean not null default false
);
create unique index if not exists users_email_partial_key on auth.users (email) where is_sso_user = false;
create table if not exists auth.identities (
  id uuid primary key,
  provider_id text not null,
  user_id uuid not null references auth.users (id) on delete cascade,
  identity_data jsonb not null,
  provider text not null,
  last_sign_in_at timestamptz,
  created_at timestamptz,
  updated_at timestamptz,
  email text generated always as (lower(identity_data ->> 'email')) stored,
  unique (provider_id, provider)
);
create table if not exists storage.objects (
  id uuid primary key,
  bucket_id text not null,
  name text not null,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  metadata jsonb,
  unique (bucket_id, name)
);

create table if not exists profiles (
  id uuid primary key,
  profile_type varchar(50) not null,
  first_name varchar(255),
  last_name varchar(255),
  email varchar(255),
  username varchar(150),
  is_active boolean not null default true,
  legacy_user_id integer unique,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  metadata jsonb default '{}'
);
create table if not exists patients (
  id uuid primary key,
  profile_id uuid not null references profiles (id),
  legacy_patient_id integer unique
);
create table if not exists cases (
  id uuid primary key,
  patient_id uuid not null references patients (id),
  case_number varchar(50) not null unique,
  status varchar(50) not null,
  legacy_patient_id integer,
  created_at timestamptz default now()
);
create index if not exists cases_legacy_patient_id on cases (legacy_patient_id);
create table if not exists orders (
  id uuid primary key,
  order_number varchar(50) not null,
  patient_id uuid not null references patients (id),
  course_type varchar(50),
  status varchar(50),
  legacy_instruction_id integer unique
);
create table if not exists products (
  id uuid primary key,
  name varchar(255) not null,
  legacy_product_id integer unique
);
create table if not exists messages (
  id uuid primary key,
  content text,
  sender_id uuid references profiles (id),
  legacy_record_id integer unique
);
create table if not exists files (
  id uuid primary key,
  filename text not null,
  mime_type varchar(100),
  file_size_bytes bigint,
  storage_path text,
  legacy_file_id integer unique
);
create table if not exists treatment_plans (
  id uuid primary key,
  legacy_plan_id integer unique
);
create table if not exists templates (
  id uuid primary key,
  name varchar(255) not null,
  legacy_template_id integer unique
);
create table if not exists roles (
  id uuid primary key,
  name varchar(255) not null,
  legacy_id integer unique
);
create table if not exists teams (
  id uuid primary key,
  name varchar(255) not null,
  legacy_group_id integer unique
);
create table if not exists projects (
  id uuid primary key,
  legacy_project_id integer unique
);

-- The nine that remain.

do $$ begin
  create type technician_status as enum ('active', 'inactive', 'terminated', 'on_leave');
exception when duplicate_object then null;
end $$;
do $$ begin
  create type technician_role_type as enum
    ('designing', 'manufacturing', 'sectioning', 'remote', 'quality_control', 'master');
exception when duplicate_object then null;
end $$;

create table if not exists message_attachments (
  id uuid primary key,
  message_id uuid not null references messages (id) on delete cascade,
  file_id uuid not null references files (id) on delete cascade,
  attachment_type varchar(50) not null,
  display_name varchar(255),
  file_size bigint,
  mime_type varchar(100),
  attached_at timestamptz not null,
  legacy_attachment_id integer unique,
  legacy_file_id integer,
  legacy_record_id integer,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  metadata jsonb default '{}',
  unique (message_id, file_id)
);
create table if not exists technicians (
  id uuid primary key,
  profile_id uuid not null unique references profiles (id),
  user_id uuid references auth.users (id) on delete set null,
  auth_linked boolean default false,
  first_name varchar(255),
  last_name varchar(255),
  email varchar(255),
  phone varchar(50),
  specialty varchar(255),
  employee_id varchar(50) unique,
  status technician_status,
  is_active boolean,
  hire_date date,
  legacy_user_id integer not null unique,
  legacy_technician_id integer not null unique,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  metadata jsonb default '{}'
);
create table if not exists technician_roles (
  id uuid primary key,
  technician_id uuid not null references technicians (id),
  role_type technician_role_type not null,
  role_name varchar(255) not null,
  abbreviation varchar(10),
  permissions jsonb not null,
  is_active boolean,
  assigned_at timestamptz,
  legacy_role_id integer not null unique,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  metadata jsonb default '{}'
);
create table if not exists brackets (
  id uuid primary key,
  name varchar(255) not null check (trim(name) <> ''),
  bracket_type varchar(100) not null,
  material varchar(100),
  manufacturer varchar(255),
  slot_size numeric(4,3) check (slot_size > 0 and slot_size < 1),
  arch_type varchar(10) check (arch_type in ('upper', 'lower', 'both')),
  project_id uuid references projects (id),
  active boolean,
  legacy_bracket_id integer not null unique,
  legacy_project_id integer,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  metadata jsonb default '{}'
);
create table if not exists order_cases (
  id uuid primary key,
  order_id uuid not null references orders (id),
  case_id uuid not null references cases (id),
  relationship_type varchar(50) not null,
  status varchar(50),
  is_active boolean,
  linked_at timestamptz not null,
  legacy_order_id integer,
  legacy_case_id integer,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  metadata jsonb default '{}',
  unique (order_id, case_id)
);
create table if not exists purchases (
  id uuid primary key,
  order_id uuid references orders (id),
  product_id uuid references products (id),
  purchased_by uuid references profiles (id),
  quantity integer not null check (quantity > 0),
  unit_price numeric(12,2),
  subtotal numeric(12,2) not null check (subtotal >= 0),
  tax_amount numeric(12,2),
  discount_amount numeric(12,2),
  total_amount numeric(12,2) not null check (total_amount >= 0),
  currency char(3) not null,
  status varchar(50) not null,
  purchased_at timestamptz not null,
  audit_trail jsonb not null,
  legacy_purchase_id integer not null unique,
  legacy_order_id integer,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  metadata jsonb default '{}'
);
create table if not exists treatment_discussions (
  id uuid primary key,
  case_id uuid not null references cases (id),
  treatment_plan_id uuid references treatment_plans (id),
  author_id uuid references profiles (id),
  author_role text,
  participants jsonb not null,
  content text not null check (trim(content) <> ''),
  discussion_type varchar(50),
  status varchar(50),
  is_visible_to_patient boolean,
  started_at timestamptz not null,
  last_activity_at timestamptz,
  legacy_comment_id integer not null unique,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  metadata jsonb default '{}'
);
create table if not exists template_view_groups (
  id uuid primary key,
  template_id uuid not null references templates (id),
  group_id uuid not null references teams (id),
  permissions jsonb not null,
  is_active boolean,
  legacy_junction_id integer not null unique,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  metadata jsonb default '{}',
  unique (template_id, group_id)
);
create table if not exists template_view_roles (
  id uuid primary key,
  template_id uuid not null references templates (id),
  role_id uuid not null references roles (id),
  permissions jsonb not null default '["view"]',
  can_view boolean not null,
  can_edit boolean,
  can_create boolean,
  can_delete boolean,
  is_active boolean,
  legacy_junction_id integer not null unique,
  created_at timestamptz default now(),
  updated_at timestamptz default now(),
  metadata jsonb default '{}',
  unique (template_id, role_id)
);

create or replace function set_updated_at() returns trigger language plpgsql as $$
begin
  new.updated_at = now();
  return new;
end $$;
do $$
declare
  name text;
begin
  foreach name in array array['message_attachments', 'technicians', 'technician_roles', 'brackets',
    'order_cases', 'purchases', 'treatment_discussions', 'template_view_groups', 'template_view_roles']
  loop
    execute format('alter table %I enable row level security', name);
    execute format('create or replace trigger set_updated_at before update on %I '
      'for each row execute function set_updated_at()', name);
  end loop;
end $$;

-- Where the old scripts kept count; dashboards still read them.

create table if not exists migration_mappings (
  entity_type varchar(100) not null,
  legacy_id integer not null,
  new_id uuid not null unique,
  migrated_at timestamptz,
  migration_batch varchar(100),
  primary key (entity_type, legacy_id)
);
create table if not exists migration_control (
  id serial primary key,
  phase varchar(100),
  table_name varchar(100),
  operation varchar(100),
  status varchar(50),
  records_processed integer,
  total_records integer,
  started_at timestamptz,
  completed_at timestamptz,
  error_message text,
  batch_size integer,
  worker_id integer,
  source_query text,
  validation_query text
);
