INSERT OVERWRITE TABLE `hive_metastore`.`shop`.`orders` (`_airbyte_ab_id`, `_airbyte_emitted_at`, `_airbyte_data`)
SELECT `_airbyte_ab_id`, `_airbyte_emitted_at`, `_airbyte_data`
FROM `hive_metastore`.`shop`.`_airbyte_tmp_deadbeefcafe_orders`
