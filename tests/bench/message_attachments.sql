-- The transform of rules/message_attachments.rhai in SQL. {messages} and {files} are the new ids, or for the
-- insert loop the legacy keys; {joins} looks them up.
select {id} as id,
       {messages} as message_id,
       {files} as file_id,
       case when x.ext in ('jpg', 'jpeg', 'png', 'gif', 'webp', 'heic') then 'image'
            when x.ext in ('stl', 'ply', 'obj', 'dcm') then 'scan'
            when x.ext in ('pdf', 'doc', 'docx', 'xls', 'xlsx', 'txt', 'rtf') then 'document'
            when x.ext in ('zip', 'rar', '7z') then 'archive'
            else 'file' end as attachment_type,
       case when d.name !~ '^\s*$' then d.name
            when d.ext is null or d.ext ~ '^\s*$' then d.uid::text else d.uid || '.' || d.ext end as display_name,
       d.size as file_size,
       case x.ext
         when 'jpg' then 'image/jpeg' when 'jpeg' then 'image/jpeg' when 'png' then 'image/png'
         when 'gif' then 'image/gif' when 'webp' then 'image/webp' when 'heic' then 'image/heic'
         when 'stl' then 'model/stl' when 'obj' then 'model/obj' when 'dcm' then 'application/dicom'
         when 'pdf' then 'application/pdf' when 'doc' then 'application/msword'
         when 'docx' then 'application/vnd.openxmlformats-officedocument.wordprocessingml.document'
         when 'xls' then 'application/vnd.ms-excel'
         when 'xlsx' then 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet'
         when 'txt' then 'text/plain' when 'rtf' then 'application/rtf' when 'zip' then 'application/zip'
         when 'rar' then 'application/vnd.rar' when '7z' then 'application/x-7z-compressed'
         else 'application/octet-stream' end as mime_type,
       d.created_at as attached_at,
       d.id as legacy_attachment_id,
       d.id as legacy_file_id,
       d.record_id as legacy_record_id,
       jsonb_build_object(
         'uid', d.uid, 'ext', d.ext, 'type', d.type, 'status', d.status, 'description', d.description,
         'product_id', d.product_id, 'instruction_id', d.instruction_id,
         case when p.json is null then 'parameters_raw' else 'parameters' end,
         coalesce(p.json, to_jsonb(d.parameters))) as metadata,
       d.created_at as created_at,
       d.created_at as updated_at
from dispatch_file d
cross join lateral (select lower(coalesce(d.ext, '')) as ext) x
cross join lateral (select bench_json(d.parameters) as json) p
{joins}
where d.record_id is not null and {range}
