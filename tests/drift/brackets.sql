-- Nobody made the legacy key unique.
alter table brackets drop constraint brackets_legacy_bracket_id_key;
