select distinct on (t.id, g.id)
       t.id as template_id,
       g.id as group_id,
       '["view"]'::jsonb as permissions,
       true as is_active,
       v.id as legacy_junction_id,
       '{}'::jsonb as metadata
from dispatch_template_view_groups v
join templates t on t.legacy_template_id = v.template_id
join teams g on g.legacy_group_id = v.group_id
order by t.id, g.id, v.id
