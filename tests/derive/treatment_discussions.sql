select first_case.id as case_id,
       tp.id as treatment_plan_id,
       author.id as author_id,
       coalesce(author.profile_type, 'unknown') as author_role,
       case when author.id is null and doctor.id is null then '[]'
            when author.id is null then jsonb_build_array(doctor.id)
            when doctor.id is null or doctor.id = author.id then jsonb_build_array(author.id)
            else jsonb_build_array(author.id, doctor.id) end as participants,
       c.text as content,
       'treatment_plan' as discussion_type,
       'active' as status,
       false as is_visible_to_patient,
       c.created_at as started_at,
       c.created_at as last_activity_at,
       c.id as legacy_comment_id,
       c.created_at as created_at,
       '{}'::jsonb as metadata
from dispatch_comment c
join dispatch_plan l on l.id = c.plan_id
join dispatch_instruction i on i.id = l.instruction_id
join lateral (select k.id from cases k where k.legacy_patient_id = i.patient_id order by k.created_at, k.id limit 1)
     first_case on true
left join dispatch_patient p on p.id = i.patient_id
left join treatment_plans tp on tp.legacy_plan_id = c.plan_id
left join profiles author on author.legacy_user_id = c.author_id
left join profiles doctor on doctor.legacy_user_id = p.doctor_id
where trim(c.text, E' \t\r\n') <> ''
