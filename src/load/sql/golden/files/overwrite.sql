INSERT OVERWRITE TABLE `main`.`shop`.`orders` (`_airbyte_ab_id`, `_airbyte_emitted_at`, `_airbyte_data`)
WITH staged AS (
  SELECT *
  FROM read_files('/Volumes/main/shop/airbyte_staging/01234567-89ab-7000-8000-deadbeefcafe/orders', format => 'parquet', schemaEvolutionMode => 'none', ignoreMissingFiles => false)
)
SELECT `_airbyte_ab_id`, `_airbyte_emitted_at`, `_airbyte_data`
FROM staged
WHERE (
  SELECT IF(count(*) = 3, true, raise_error('The staged files do not have the 3 rows of this load.'))
  FROM staged
)
