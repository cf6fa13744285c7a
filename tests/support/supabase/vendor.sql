-- Whose `auth` and `storage` are: rows may be written by `postgres`, tables only be changed by their owners.
alter schema auth owner to supabase_auth_admin;
alter schema storage owner to supabase_storage_admin;
do $$ declare t record; begin
  for t in select schemaname as s, tablename as name from pg_tables where schemaname in ('auth', 'storage') loop
    execute format('alter table %I.%I owner to supabase_%s_admin', t.s, t.name, t.s);
    execute format('alter table %I.%I enable row level security', t.s, t.name);
  end loop;
end $$;
alter function auth.uid() owner to supabase_auth_admin;
alter function storage.protect_delete() owner to supabase_storage_admin;
grant usage on schema auth, storage to postgres, anon, authenticated, service_role;
grant select, insert, update, delete, references, trigger on all tables in schema auth to postgres;
grant select, insert, update, delete, trigger on all tables in schema storage to postgres, service_role;
