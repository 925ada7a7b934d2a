CREATE OR REPLACE TABLE `hive_metastore`.`shop`.`orders`
USING delta
LOCATION 's3://lake/raw/shop/orders'
COMMENT 'Created from stream shop.Orders'
TBLPROPERTIES (
  'airbyte.destinationSyncMode' = 'append',
  'delta.autoOptimize.optimizeWrite' = 'true',
  'delta.autoOptimize.autoCompact' = 'true',
  'destination-databricks.generation' = '7'
)
AS SELECT `_airbyte_ab_id`, `_airbyte_emitted_at`, `_airbyte_data`
FROM `hive_metastore`.`shop`.`_airbyte_tmp_deadbeefcafe_orders`
WHERE `_airbyte_ab_id` BETWEEN '01a1fac5-7000-7000-8000-000000000000' AND '01a1fac5-7000-7000-8000-000000000002'
