select distinct on (t.id, r.id)
       t.id as template_id,
       r.id as role_id,
       '["view"]'::jsonb as permissions,
       true as can_view,
       false as can_edit,
       false as can_create,
       false as can_delete,
       true as is_active,
       v.id as legacy_junction_id,
       '{}'::jsonb as metadata
from dispatch_template_view_roles v
join templates t on t.legacy_template_id = v.template_id
join roles r on r.legacy_id = v.role_id
order by t.id, r.id, v.id
