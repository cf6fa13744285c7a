select o.id as order_id,
       c.id as case_id,
       case c.place when 1 then 'primary' else 'secondary' end as relationship_type,
       'active' as status,
       true as is_active,
       coalesce(i.submitted_at, i.updated_at) as linked_at,
       i.id as legacy_order_id,
       i.patient_id as legacy_case_id,
       coalesce(i.submitted_at, i.updated_at) as created_at,
       '{}'::jsonb as metadata
from dispatch_instruction i
join orders o on o.legacy_instruction_id = i.id
join (select id, legacy_patient_id, row_number() over (partition by legacy_patient_id order by created_at, id) as place
      from cases) c on c.legacy_patient_id = i.patient_id
where not i.deleted
