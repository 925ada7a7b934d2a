SELECT min(staged.`id`), max(staged.`id`), count(*), count(staged.`id`)
FROM (
SELECT `_airbyte_ab_id`, `_airbyte_emitted_at`, `_airbyte_meta`, `id`, `o`, `at`, `_ab_cdc_deleted_at`, `_airbyte_additional_properties`
FROM `main`.`shop`.`_airbyte_tmp_deadbeefcafe_orders`
WHERE `_airbyte_ab_id` BETWEEN '01a1fac5-7000-7000-8000-000000000000' AND '01a1fac5-7000-7000-8000-000000000002'
) AS staged
