-- Without what every other table has.
alter table template_view_groups drop column permissions, drop column metadata;
