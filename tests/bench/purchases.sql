-- The transform of rules/purchases.rhai in SQL. {orders}, {profiles} and {products} are the new ids, or for
-- the insert loop the legacy keys; {joins} looks them up.
select {id} as id,
       {orders} as order_id,
       {products} as product_id,
       {profiles} as purchased_by,
       1 as quantity,
       round(case when d.subtotal_price = 0 then d.total_price - d.tax_value else d.subtotal_price end, 2) as unit_price,
       d.subtotal_price as subtotal,
       d.tax_value as tax_amount,
       0.00::numeric(12,2) as discount_amount,
       d.total_price as total_amount,
       'USD' as currency,
       'paid' as status,
       d.made_at as purchased_at,
       jsonb_build_array(jsonb_build_object(
         'table', 'dispatch_payment',
         'key', d.id::text,
         'paid_price', d.paid_price::text,
         'tax_rate', d.tax_rate::text,
         'installments', d.installments::text,
         'card_brand', d.card_brand,
         'card_last', d.card_last,
         'order_id', d.order_id)) as audit_trail,
       d.id as legacy_purchase_id,
       d.instruction_id as legacy_order_id,
       d.made_at as created_at
from dispatch_payment d
left join dispatch_instruction i on i.id = d.instruction_id
left join (select x.course_id, min(x.id) as id from dispatch_product x group by x.course_id having count(*) = 1) single
       on single.course_id = i.course_id
{joins}
where d.paid and not d.canceled and not d.free and d.total_price > 0 and {range}
