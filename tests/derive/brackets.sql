-- What a name really says, told by patterns and not, as the rule does, word by word.
select b.name,
       (array['standard', 'self_ligating', 'lingual', 'ceramic'])[coalesce(b.type, 1)] as bracket_type,
       substring(lower(b.name) from '\m(metal|steel|titanium|ceramic|sapphire|composite|plastic)\M') as material,
       substring(b.name from '\m(Ormco|3M|Forestadent|Dentaurum|Dentsply|Tomy)\M') as manufacturer,
       substring(b.name from '(?:^|\s)(0?\.\d{2,3})(?:$|\s|x)')::numeric(4,3) as slot_size,
       case when b.name ~* '\mboth arches\M' then 'both' else substring(lower(b.name) from '\m(upper|lower)\M') end as arch_type,
       p.id as project_id,
       true as active,
       b.id as legacy_bracket_id,
       b.project_id as legacy_project_id,
       '{}'::jsonb as metadata
from dispatch_bracket b
left join projects p on p.legacy_project_id = b.project_id
where trim(coalesce(b.name, ''), E' \t\r\n') <> ''
