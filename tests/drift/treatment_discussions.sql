-- Another design of the same table: a comment is a line of a treatment.
drop table treatment_discussions;
create table treatment_discussions (
  id uuid primary key,
  treatment_id uuid references treatment_plans (id),
  comment_id integer not null unique,
  author_id uuid references profiles (id),
  author_role text,
  content text not null check (trim(content) <> ''),
  created_at timestamptz default now(),
  updated_at timestamptz default now()
);
