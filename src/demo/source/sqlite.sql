-- The legacy system's tables (Django), as SQLite declares them. No foreign keys were ever declared.
-- A tax rate is text: SQLite's own decimals keep 15 digits, and some rates have 40.

create table if not exists auth_user (
  id INTEGER PRIMARY KEY,
  username VARCHAR(150) not null unique,
  first_name VARCHAR(150) not null,
  last_name VARCHAR(150) not null,
  email VARCHAR(254) not null,
  password VARCHAR(255) not null,
  is_staff BOOLEAN not null,
  is_active BOOLEAN not null,
  is_superuser BOOLEAN not null,
  date_joined TIMESTAMPTZ not null,
  last_login TIMESTAMPTZ
);
create table if not exists auth_group (
  id INTEGER PRIMARY KEY,
  name VARCHAR(150) not null
);
create table if not exists auth_user_groups (
  id INTEGER PRIMARY KEY,
  user_id INT4 not null,
  group_id INT4 not null
);
create table if not exists auth_permission (
  id INTEGER PRIMARY KEY,
  name VARCHAR(255) not null,
  codename VARCHAR(100) not null,
  content_type_id INT4 not null
);
create table if not exists django_content_type (
  id INTEGER PRIMARY KEY,
  app_label VARCHAR(100) not null,
  model VARCHAR(100) not null
);
create table if not exists dispatch_role (
  id INTEGER PRIMARY KEY,
  name VARCHAR(255) not null,
  abbrev VARCHAR(20),
  type INT4 not null,
  "order" INT4 not null,
  user_id INT4,
  group_id INT4 not null
);
create table if not exists dispatch_role_permissions (
  id INTEGER PRIMARY KEY,
  role_id INT4 not null,
  permission_id INT4 not null
);
create table if not exists dispatch_patient (
  id INTEGER PRIMARY KEY,
  user_id INT4 not null,
  doctor_id INT4,
  office_id INT4,
  archived BOOLEAN not null,
  status INT4,
  submitted_at TIMESTAMPTZ,
  updated_at TIMESTAMPTZ,
  suffix TEXT not null,
  sex INT4,
  suspended BOOLEAN not null,
  birthdate DATE,
  wakes_at TIME,
  schemes TEXT not null
);
create table if not exists dispatch_course (
  id INTEGER PRIMARY KEY,
  name VARCHAR(255) not null,
  type INT4 not null
);
create table if not exists dispatch_product (
  id INTEGER PRIMARY KEY,
  name VARCHAR(255) not null,
  description TEXT,
  free BOOLEAN not null,
  deleted BOOLEAN not null,
  type INT4,
  course_id INT4 not null
);
create table if not exists dispatch_instruction (
  id INTEGER PRIMARY KEY,
  patient_id INT4 not null,
  course_id INT4 not null,
  submitted_at TIMESTAMPTZ,
  scanned_at TIMESTAMP,
  deleted BOOLEAN not null,
  status INT4 not null,
  notes TEXT,
  suffix TEXT not null,
  complaint TEXT not null,
  updated_at TIMESTAMPTZ not null
);
create table if not exists dispatch_payment (
  id INTEGER PRIMARY KEY,
  made_at TIMESTAMPTZ not null,
  free BOOLEAN not null,
  paid BOOLEAN not null,
  canceled BOOLEAN not null,
  tax_rate TEXT not null,
  tax_value NUMERIC(12,2) not null,
  subtotal_price NUMERIC(12,2) not null,
  total_price NUMERIC(12,2) not null,
  paid_price NUMERIC(12,2) not null,
  installments INT4 not null,
  instruction_id INT4,
  doctor_id INT4 not null,
  office_id INT4 not null,
  order_id TEXT,
  card_brand TEXT,
  card_last TEXT
);
create table if not exists dispatch_purchase (
  id INTEGER PRIMARY KEY,
  quantity INT4 not null,
  price NUMERIC(12,2) not null,
  order_id INT4 not null,
  product_id INT4 not null
);
create table if not exists dispatch_project (
  id INTEGER PRIMARY KEY,
  uid UUID not null,
  created_at TIMESTAMPTZ not null,
  name TEXT not null,
  size BIGINT not null,
  public BOOLEAN not null,
  type INT4 not null,
  status INT4 not null,
  creator_id INT4
);
create table if not exists dispatch_bracket (
  id INTEGER PRIMARY KEY,
  name TEXT,
  project_id INT4,
  type INT4
);
create table if not exists dispatch_plan (
  id INTEGER PRIMARY KEY,
  instruction_id INT4 not null,
  project_id INT4 not null,
  notes TEXT,
  number INT4,
  name TEXT not null,
  original BOOLEAN not null
);
create table if not exists dispatch_comment (
  id INTEGER PRIMARY KEY,
  created_at TIMESTAMPTZ not null,
  text TEXT not null,
  author_id INT4,
  plan_id INT4 not null
);
create table if not exists dispatch_record (
  id INTEGER PRIMARY KEY,
  target_id INT4 not null,
  target_type_id INT4,
  type INT4 not null,
  created_at TIMESTAMPTZ not null,
  text TEXT not null,
  author_id INT4,
  group_id INT4,
  public BOOLEAN
);
create table if not exists dispatch_file (
  id INTEGER PRIMARY KEY,
  uid UUID not null,
  name TEXT,
  ext TEXT,
  size BIGINT not null,
  type INT4 not null,
  instruction_id INT4,
  created_at TIMESTAMPTZ not null,
  description TEXT,
  product_id INT4,
  parameters TEXT not null,
  record_id INT4,
  status INT4 not null
);
create table if not exists dispatch_record_attachments (
  id INTEGER PRIMARY KEY,
  record_id INT4 not null,
  file_id INT4 not null
);
create table if not exists dispatch_template (
  id INTEGER PRIMARY KEY,
  task_name TEXT,
  text_name TEXT,
  action_name TEXT not null,
  function TEXT not null,
  status INT4 not null,
  category_id INT4,
  predefined BOOLEAN not null,
  read_only BOOLEAN not null
);
create table if not exists dispatch_template_view_groups (
  id INTEGER PRIMARY KEY,
  template_id INT4 not null,
  group_id INT4 not null
);
create table if not exists dispatch_template_view_roles (
  id INTEGER PRIMARY KEY,
  template_id INT4 not null,
  role_id INT4 not null
);
