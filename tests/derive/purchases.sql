select o.id as order_id,
       one.id as product_id,
       d.id as purchased_by,
       1 as quantity,
       case when p.subtotal_price = 0 then p.total_price - p.tax_value else p.subtotal_price end as unit_price,
       p.subtotal_price as subtotal,
       p.tax_value as tax_amount,
       0.00::numeric(12,2) as discount_amount,
       p.total_price as total_amount,
       'USD' as currency,
       'paid' as status,
       p.made_at as purchased_at,
       jsonb_build_array(jsonb_build_object(
         'table', 'dispatch_payment',
         'key', p.id::text,
         'paid_price', p.paid_price::text,
         'tax_rate', p.tax_rate::text,
         'installments', p.installments::text,
         'card_brand', p.card_brand,
         'card_last', p.card_last,
         'order_id', p.order_id)) as audit_trail,
       p.id as legacy_purchase_id,
       p.instruction_id as legacy_order_id,
       p.made_at as created_at,
       '{}'::jsonb as metadata
from dispatch_payment p
join profiles d on d.legacy_user_id = p.doctor_id
left join dispatch_instruction i on i.id = p.instruction_id
left join orders o on o.legacy_instruction_id = p.instruction_id
left join (select x.course_id, min(x.id) as id from dispatch_product x group by x.course_id having count(*) = 1) single
       on single.course_id = i.course_id
left join products one on one.legacy_product_id = single.id
where p.paid and not p.canceled and not p.free and p.total_price > 0
  and (p.instruction_id is null or o.id is not null)
