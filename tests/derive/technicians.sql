-- One row per user of group 11, except the later ones of those who share an address.
with crew as (
  select u.*, nullif(lower(trim(u.email)), '') as address
  from auth_user u
  where exists (select 1 from auth_user_groups g where g.user_id = u.id and g.group_id = 11)
)
select p.id as profile_id,
       a.id as user_id,
       a.id is not null as auth_linked,
       case when trim(c.first_name) = '' then c.username else c.first_name end as first_name,
       c.last_name,
       c.address as email,
       null::text as phone,
       null::text as specialty,
       c.username as employee_id,
       case when c.is_active then 'active' else 'inactive' end as status,
       c.is_active,
       (c.date_joined at time zone 'UTC')::date as hire_date,
       c.id as legacy_user_id,
       c.id as legacy_technician_id,
       c.date_joined as created_at,
       coalesce(c.last_login, c.date_joined) as updated_at,
       '{}'::jsonb as metadata
from crew c
join profiles p on p.legacy_user_id = c.id
left join auth.users a on a.id = p.id
where not exists (select 1 from crew earlier where earlier.address = c.address and earlier.id < c.id)
