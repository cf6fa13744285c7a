-- The roles hang on the people themselves: technician_id references profiles.
alter table technician_roles drop constraint technician_roles_technician_id_fkey;
alter table technician_roles add constraint technician_roles_technician_id_fkey
  foreign key (technician_id) references profiles (id);
