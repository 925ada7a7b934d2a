COPY INTO `main`.`shop`.`orders`
FROM (
  SELECT
    CAST(`_airbyte_ab_id` AS STRING) AS `_airbyte_ab_id`,
    CAST(`_airbyte_emitted_at` AS TIMESTAMP) AS `_airbyte_emitted_at`,
    CAST(`_airbyte_data` AS STRING) AS `_airbyte_data`
  FROM '/Volumes/main/shop/airbyte_staging/01234567-89ab-7000-8000-deadbeefcafe/orders'
)
FILEFORMAT = PARQUET
FILES = (
  '2026_11_27_1_0_a.parquet',
  'it\'s.parquet'
)
FORMAT_OPTIONS ('ignoreMissingFiles' = 'false', 'ignoreCorruptFiles' = 'false')
COPY_OPTIONS ('force' = 'false', 'mergeSchema' = 'false')
