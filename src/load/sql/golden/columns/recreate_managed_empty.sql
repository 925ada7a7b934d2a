CREATE OR REPLACE TABLE `hive_metastore`.`shop`.`orders`
USING delta
AS SELECT
  CAST(`_airbyte_ab_id` AS STRING) AS `_airbyte_ab_id`,
  CAST(`_airbyte_emitted_at` AS TIMESTAMP) AS `_airbyte_emitted_at`,
  CAST(`n` AS BIGINT) AS `n`,
  CAST(NULL AS ARRAY<INT>) AS `theirs`,
  (SELECT first(`odd`) FROM `hive_metastore`.`shop`.`orders` WHERE false) AS `odd`
FROM `hive_metastore`.`shop`.`_airbyte_tmp_deadbeefcafe_orders`
