-- The id of the row that a legacy key becomes, for a rule with `id: "ordered"`: 48 bits of the key, then the
-- SHA-256 of namespace, table and key (UUID version 8). `target` as the rule writes it; the namespace is
-- RUNNER_NAMESPACE, or `select value from runner.meta where key = 'namespace'`. NULL for a key beyond 48 bits:
-- such a row has a version 5 id.
create function runner_ordered_id(namespace uuid, target text, key bigint) returns uuid
language sql immutable strict parallel safe as $$
  select encode(set_byte(set_byte(bytes, 6, get_byte(bytes, 6) & 15 | 128), 8, get_byte(bytes, 8) & 63 | 128), 'hex')::uuid
  from (
    select substring(int8send(key + 140737488355328) from 3)
           || substring(sha256(uuid_send(namespace) || convert_to(
                octet_length(convert_to(target, 'UTF8')) || ':' || target || length(key::text) || ':' || key, 'UTF8'))
              from 1 for 10) as bytes
  ) id
  where key between -140737488355328 and 140737488355327
$$;
