CREATE OR REPLACE TABLE `hive_metastore`.`shop`.`orders`
USING delta
CLUSTER BY (`n`)
LOCATION 's3://lake/raw/shop/orders'
COMMENT 'Created from stream shop.Orders'
TBLPROPERTIES (
  'airbyte.destinationSyncMode' = 'overwrite',
  'owner\'s' = 'it is'
)
AS SELECT
  CAST(`_airbyte_ab_id` AS STRING) AS `_airbyte_ab_id`,
  CAST(`_airbyte_emitted_at` AS TIMESTAMP) AS `_airbyte_emitted_at`,
  CAST(`n` AS BIGINT) AS `n`,
  CAST(NULL AS ARRAY<INT>) AS `theirs`,
  (SELECT first(`odd`) FROM `hive_metastore`.`shop`.`orders` WHERE false) AS `odd`
FROM `hive_metastore`.`shop`.`_airbyte_tmp_deadbeefcafe_orders`
WHERE `_airbyte_ab_id` BETWEEN '01a1fac5-7000-7000-8000-000000000000' AND '01a1fac5-7000-7000-8000-000000000002'
