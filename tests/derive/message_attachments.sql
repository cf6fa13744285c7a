-- What a script of old left (`before_the_run`) keeps what it holds; the rest of its columns is filled.
select m.id as message_id,
       f.id as file_id,
       coalesce(old.attachment_type,
         case when x.ext in ('jpg', 'jpeg', 'png', 'gif', 'webp', 'heic') then 'image'
              when x.ext in ('stl', 'ply', 'obj', 'dcm') then 'scan'
              when x.ext in ('pdf', 'doc', 'docx', 'xls', 'xlsx', 'txt', 'rtf') then 'document'
              when x.ext in ('zip', 'rar', '7z') then 'archive'
              else 'file' end) as attachment_type,
       coalesce(d.name, case when d.ext is null then d.uid::text else d.uid || '.' || d.ext end) as display_name,
       d.size as file_size,
       coalesce((
         select mime from (values
           ('jpg', 'image/jpeg'), ('jpeg', 'image/jpeg'), ('png', 'image/png'), ('gif', 'image/gif'),
           ('webp', 'image/webp'), ('heic', 'image/heic'), ('stl', 'model/stl'), ('obj', 'model/obj'),
           ('dcm', 'application/dicom'), ('pdf', 'application/pdf'), ('doc', 'application/msword'),
           ('docx', 'application/vnd.openxmlformats-officedocument.wordprocessingml.document'),
           ('xls', 'application/vnd.ms-excel'),
           ('xlsx', 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet'),
           ('txt', 'text/plain'), ('rtf', 'application/rtf'), ('zip', 'application/zip'),
           ('rar', 'application/vnd.rar'), ('7z', 'application/x-7z-compressed')) as known(ext, mime)
         where known.ext = x.ext), 'application/octet-stream') as mime_type,
       coalesce(old.attached_at, d.created_at) as attached_at,
       d.id as legacy_attachment_id,
       d.id as legacy_file_id,
       d.record_id as legacy_record_id,
       jsonb_build_object(
         'uid', d.uid, 'ext', d.ext, 'type', d.type, 'status', d.status, 'description', d.description,
         'product_id', d.product_id, 'instruction_id', d.instruction_id)
       || case when as_json(d.parameters) is null then jsonb_build_object('parameters_raw', d.parameters)
               else jsonb_build_object('parameters', as_json(d.parameters)) end as metadata,
       coalesce(old.created_at, d.created_at) as created_at,
       case when old.id is null then d.created_at end as updated_at
from dispatch_file d
cross join lateral (select lower(coalesce(d.ext, '')) as ext) x
join messages m on m.legacy_record_id = d.record_id
join files f on f.legacy_file_id = d.id
left join before_the_run old on old.message_id = m.id and old.file_id = f.id
