INSERT OVERWRITE TABLE `hive_metastore`.`shop`.`orders` (`_airbyte_ab_id`, `_airbyte_emitted_at`, `_airbyte_data`)
SELECT `_airbyte_ab_id`, `_airbyte_emitted_at`, `_airbyte_data`
FROM `hive_metastore`.`shop`.`_airbyte_tmp_deadbeefcafe_orders`
WHERE `_airbyte_ab_id` BETWEEN '01a1fac5-7000-7000-8000-000000000000' AND '01a1fac5-7000-7000-8000-000000000002'
