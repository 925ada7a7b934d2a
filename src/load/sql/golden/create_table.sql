CREATE TABLE IF NOT EXISTS `hive_metastore`.`shop`.`orders` (
  `_airbyte_ab_id` STRING,
  `_airbyte_emitted_at` TIMESTAMP,
  `_airbyte_data` STRING
)
USING delta
LOCATION 's3://lake/raw/shop/orders'
COMMENT 'Created from stream shop.Orders'
TBLPROPERTIES (
  'airbyte.destinationSyncMode' = 'append',
  'delta.autoOptimize.optimizeWrite' = 'true',
  'delta.autoOptimize.autoCompact' = 'true'
)
