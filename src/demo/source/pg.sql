-- The legacy system's tables (Django). No foreign keys were ever declared.

create table if not exists auth_user (
  id integer primary key,
  username varchar(150) not null unique,
  first_name varchar(150) not null,
  last_name varchar(150) not null,
  email varchar(254) not null,
  password varchar(255) not null,
  is_staff boolean not null,
  is_active boolean not null,
  is_superuser boolean not null,
  date_joined timestamptz not null,
  last_login timestamptz
);
create table if not exists auth_group (
  id integer primary key,
  name varchar(150) not null
);
create table if not exists auth_user_groups (
  id integer primary key,
  user_id integer not null,
  group_id integer not null
);
create table if not exists auth_permission (
  id integer primary key,
  name varchar(255) not null,
  codename varchar(100) not null,
  content_type_id integer not null
);
create table if not exists django_content_type (
  id integer primary key,
  app_label varchar(100) not null,
  model varchar(100) not null
);
create table if not exists dispatch_role (
  id integer primary key,
  name varchar(255) not null,
  abbrev varchar(20),
  type integer not null,
  "order" integer not null,
  user_id integer,
  group_id integer not null
);
create table if not exists dispatch_role_permissions (
  id integer primary key,
  role_id integer not null,
  permission_id integer not null
);
create table if not exists dispatch_patient (
  id integer primary key,
  user_id integer not null,
  doctor_id integer,
  office_id integer,
  archived boolean not null,
  status integer,
  submitted_at timestamptz,
  updated_at timestamptz,
  suffix text not null,
  sex integer,
  suspended boolean not null,
  birthdate date,
  wakes_at time,
  schemes text not null
);
create table if not exists dispatch_course (
  id integer primary key,
  name varchar(255) not null,
  type integer not null
);
create table if not exists dispatch_product (
  id integer primary key,
  name varchar(255) not null,
  description text,
  free boolean not null,
  deleted boolean not null,
  type integer,
  course_id integer not null
);
create table if not exists dispatch_instruction (
  id integer primary key,
  patient_id integer not null,
  course_id integer not null,
  submitted_at timestamptz,
  scanned_at timestamp,
  deleted boolean not null,
  status integer not null,
  notes text,
  suffix text not null,
  complaint text not null,
  updated_at timestamptz not null
);
create table if not exists dispatch_payment (
  id integer primary key,
  made_at timestamptz not null,
  free boolean not null,
  paid boolean not null,
  canceled boolean not null,
  tax_rate numeric not null,
  tax_value numeric(12,2) not null,
  subtotal_price numeric(12,2) not null,
  total_price numeric(12,2) not null,
  paid_price numeric(12,2) not null,
  installments integer not null,
  instruction_id integer,
  doctor_id integer not null,
  office_id integer not null,
  order_id text,
  card_brand text,
  card_last text
);
create table if not exists dispatch_purchase (
  id integer primary key,
  quantity integer not null,
  price numeric(12,2) not null,
  order_id integer not null,
  product_id integer not null
);
create table if not exists dispatch_project (
  id integer primary key,
  uid uuid not null,
  created_at timestamptz not null,
  name text not null,
  size bigint not null,
  public boolean not null,
  type integer not null,
  status integer not null,
  creator_id integer
);
create table if not exists dispatch_bracket (
  id integer primary key,
  name text,
  project_id integer,
  type integer
);
create table if not exists dispatch_plan (
  id integer primary key,
  instruction_id integer not null,
  project_id integer not null,
  notes text,
  number integer,
  name text not null,
  original boolean not null
);
create table if not exists dispatch_comment (
  id integer primary key,
  created_at timestamptz not null,
  text text not null,
  author_id integer,
  plan_id integer not null
);
create table if not exists dispatch_record (
  id integer primary key,
  target_id integer not null,
  target_type_id integer,
  type integer not null,
  created_at timestamptz not null,
  text text not null,
  author_id integer,
  group_id integer,
  public boolean
);
create table if not exists dispatch_file (
  id integer primary key,
  uid uuid not null,
  name text,
  ext text,
  size bigint not null,
  type integer not null,
  instruction_id integer,
  created_at timestamptz not null,
  description text,
  product_id integer,
  parameters text not null,
  record_id integer,
  status integer not null
);
create table if not exists dispatch_record_attachments (
  id integer primary key,
  record_id integer not null,
  file_id integer not null
);
create table if not exists dispatch_template (
  id integer primary key,
  task_name text,
  text_name text,
  action_name text not null,
  function text not null,
  status integer not null,
  category_id integer,
  predefined boolean not null,
  read_only boolean not null
);
create table if not exists dispatch_template_view_groups (
  id integer primary key,
  template_id integer not null,
  group_id integer not null
);
create table if not exists dispatch_template_view_roles (
  id integer primary key,
  template_id integer not null,
  role_id integer not null
);
