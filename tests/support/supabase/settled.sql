-- After the tables of an application were made by the superuser: they are `postgres`' own, with row level security.
do $$ declare t record; begin
  for t in select tablename from pg_tables where schemaname = 'public' loop
    execute format('alter table public.%I owner to postgres', t.tablename);
    execute format('alter table public.%I enable row level security', t.tablename);
    execute format('create policy mine on public.%I for select to authenticated using (false)', t.tablename);
  end loop;
  for t in select typname from pg_type where typnamespace = 'public'::regnamespace and typtype = 'e' loop
    execute format('alter type public.%I owner to postgres', t.typname);
  end loop;
  for t in select oid::regprocedure as name from pg_proc where pronamespace = 'public'::regnamespace loop
    execute format('alter function %s owner to postgres', t.name);
  end loop;
end $$;
alter table if exists migration_mappings disable row level security;
alter table if exists migration_control disable row level security;
