-- The links do not say where they came from.
alter table order_cases drop column legacy_order_id, drop column legacy_case_id;
