-- emptying the table; claim: Replaces

CREATE TABLE IF NOT EXISTS `hive_metastore`.`shop`.`_airbyte_tmp_deadbeefcafe_orders`
USING delta
LOCATION 's3://lake/raw/01234567-89ab-7000-8000-deadbeefcafe/shop/orders'

INSERT OVERWRITE TABLE `hive_metastore`.`shop`.`orders` (`_airbyte_ab_id`, `_airbyte_emitted_at`, `_airbyte_data`)
SELECT `_airbyte_ab_id`, `_airbyte_emitted_at`, `_airbyte_data`
FROM `hive_metastore`.`shop`.`_airbyte_tmp_deadbeefcafe_orders`

-- whole when it has run to its end
