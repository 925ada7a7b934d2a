SELECT count(*) AS `rows`
FROM `main`.`shop`.`orders` AS target
LEFT SEMI JOIN (
  SELECT `_airbyte_ab_id`
  FROM read_files('/Volumes/main/shop/airbyte_staging/01234567-89ab-7000-8000-deadbeefcafe/orders', format => 'parquet', schemaEvolutionMode => 'none', ignoreMissingFiles => false)
  WHERE `_airbyte_ab_id` BETWEEN '01a1fac5-7000-7000-8000-000000000000' AND '01a1fac5-7000-7000-8000-000000000002'
) AS staged
ON target.`_airbyte_ab_id` = staged.`_airbyte_ab_id`
WHERE target.`_airbyte_ab_id` BETWEEN '01a1fac5-7000-7000-8000-000000000000' AND '01a1fac5-7000-7000-8000-000000000002'
  AND target.`_airbyte_emitted_at` BETWEEN TIMESTAMP '2026-11-20T21:04:00.524000Z' AND TIMESTAMP '2026-11-20T21:04:00.524123Z'
