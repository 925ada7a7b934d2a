CREATE OR REPLACE TABLE `main`.`shop`.`orders`
USING delta
COMMENT 'Created from stream orders'
TBLPROPERTIES (
  'airbyte.destinationSyncMode' = 'overwrite'
)
AS WITH staged AS (
  SELECT *
  FROM read_files('/Volumes/main/shop/airbyte_staging/01234567-89ab-7000-8000-deadbeefcafe/orders', format => 'parquet', schemaEvolutionMode => 'none', ignoreMissingFiles => false)
)
SELECT
  CAST(`_airbyte_ab_id` AS STRING) AS `_airbyte_ab_id`,
  CAST(`_airbyte_emitted_at` AS TIMESTAMP) AS `_airbyte_emitted_at`,
  CAST(`_airbyte_data` AS STRING) AS `_airbyte_data`
FROM staged
WHERE (
  SELECT IF(count(*) = 3, true, raise_error('The staged files do not have the 3 rows of this load.'))
  FROM staged
)
