SELECT count(*) AS `rows`
FROM read_files('/Volumes/main/shop/airbyte_staging/01234567-89ab-7000-8000-deadbeefcafe/orders', format => 'parquet', schemaEvolutionMode => 'none', ignoreMissingFiles => false)
WHERE `_airbyte_ab_id` BETWEEN '01a1fac5-7000-7000-8000-000000000000' AND '01a1fac5-7000-7000-8000-000000000002'
