select t.id as technician_id,
       (array['designing', 'manufacturing', 'sectioning', 'remote', 'quality_control', 'master'])[r.type] as role_type,
       r.name as role_name,
       case when trim(coalesce(r.abbrev, '')) = '' then substr(r.name, 1, 10) else r.abbrev end as abbreviation,
       coalesce(
         (select jsonb_agg(p.codename order by p.codename collate "C")
          from dispatch_role_permissions rp join auth_permission p on p.id = rp.permission_id
          where rp.role_id = r.id),
         '[]') as permissions,
       true as is_active,
       u.date_joined as assigned_at,
       r.id as legacy_role_id,
       u.date_joined as created_at,
       '{}'::jsonb as metadata
from dispatch_role r
join technicians t on t.legacy_user_id = r.user_id
join auth_user u on u.id = r.user_id
where r.group_id = 11 and r.type between 1 and 6
