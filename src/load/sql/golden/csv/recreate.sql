CREATE OR REPLACE TABLE `hive_metastore`.`shop`.`orders`
USING delta
AS SELECT
  CAST(`_airbyte_ab_id` AS STRING) AS `_airbyte_ab_id`,
  CAST(coalesce(try_cast(`n` AS BIGINT), CASE WHEN `n` IS NOT NULL THEN raise_error('A staged text of column n is no BIGINT.') END) AS BIGINT) AS `n`,
  CAST(NULL AS INT) AS `theirs`
FROM `hive_metastore`.`shop`.`_airbyte_tmp_deadbeefcafe_orders`
WHERE `_airbyte_ab_id` BETWEEN '01a1fac5-7000-7000-8000-000000000000' AND '01a1fac5-7000-7000-8000-000000000002'
