-- loading 3 rows; claim: Adds

CREATE TABLE IF NOT EXISTS `hive_metastore`.`shop`.`_airbyte_tmp_deadbeefcafe_orders`
USING delta
LOCATION 's3://lake/raw/01234567-89ab-7000-8000-deadbeefcafe/shop/orders'

MERGE INTO `hive_metastore`.`shop`.`orders` AS target
USING (
  SELECT `_airbyte_ab_id`, `_airbyte_emitted_at`, `_airbyte_data`
  FROM `hive_metastore`.`shop`.`_airbyte_tmp_deadbeefcafe_orders`
  WHERE `_airbyte_ab_id` BETWEEN '01a1fac5-7000-7000-8000-000000000000' AND '01a1fac5-7000-7000-8000-000000000002'
) AS staged
ON target.`_airbyte_ab_id` = staged.`_airbyte_ab_id`
  AND target.`_airbyte_ab_id` BETWEEN '01a1fac5-7000-7000-8000-000000000000' AND '01a1fac5-7000-7000-8000-000000000002'
  AND target.`_airbyte_emitted_at` BETWEEN TIMESTAMP '2026-11-20T21:04:00.524000Z' AND TIMESTAMP '2026-11-20T21:04:00.524123Z'
WHEN NOT MATCHED THEN
  INSERT (`_airbyte_ab_id`, `_airbyte_emitted_at`, `_airbyte_data`)
  VALUES (staged.`_airbyte_ab_id`, staged.`_airbyte_emitted_at`, staged.`_airbyte_data`)

-- whole if it says that it has inserted 3 rows; else the count proves it

SELECT count(*) AS `rows`
FROM `hive_metastore`.`shop`.`orders` AS target
LEFT SEMI JOIN (
  SELECT `_airbyte_ab_id`
  FROM `hive_metastore`.`shop`.`_airbyte_tmp_deadbeefcafe_orders`
  WHERE `_airbyte_ab_id` BETWEEN '01a1fac5-7000-7000-8000-000000000000' AND '01a1fac5-7000-7000-8000-000000000002'
) AS staged
ON target.`_airbyte_ab_id` = staged.`_airbyte_ab_id`
WHERE target.`_airbyte_ab_id` BETWEEN '01a1fac5-7000-7000-8000-000000000000' AND '01a1fac5-7000-7000-8000-000000000002'
  AND target.`_airbyte_emitted_at` BETWEEN TIMESTAMP '2026-11-20T21:04:00.524000Z' AND TIMESTAMP '2026-11-20T21:04:00.524123Z'
-- expected: 3
