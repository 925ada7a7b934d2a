SELECT '', '', 0, count(*), count_if(NOT staged.`_airbyte_deleted`), coalesce(sum(staged.`_airbyte_versions`), 0)
FROM (
  SELECT *
  FROM (
    SELECT *, row_number() OVER (PARTITION BY `_airbyte_key_0`, `_airbyte_key_1` ORDER BY `_airbyte_cursor_0` DESC NULLS LAST, `_airbyte_emitted_at` DESC, `_airbyte_ab_id` DESC) AS `_airbyte_rank`,
      count(*) OVER (PARTITION BY `_airbyte_key_0`, `_airbyte_key_1`) AS `_airbyte_versions`
    FROM (
      SELECT staged.*, coalesce(CAST(from_json(staged.`_airbyte_data`, 'STRUCT<`id`: BIGINT>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647', 'maxNestingDepth', '2147483647')).`id` AS STRING), CASE WHEN locate(substr(from_json(staged.`_airbyte_data`, 'STRUCT<`id`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647', 'maxNestingDepth', '2147483647')).`id`, 1, 1), '"-0123456789[ft{') = 0 THEN from_json(staged.`_airbyte_data`, 'STRUCT<`id`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647', 'maxNestingDepth', '2147483647')).`id` WHEN from_json(staged.`_airbyte_data`, 'STRUCT<`id`: DOUBLE>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647', 'maxNestingDepth', '2147483647')).`id` IS NOT NULL THEN coalesce(IF(from_json(staged.`_airbyte_data`, 'STRUCT<`id`: DECIMAL(38, 18)>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647', 'maxNestingDepth', '2147483647')).`id` % 1 = 0, CAST(floor(from_json(staged.`_airbyte_data`, 'STRUCT<`id`: DECIMAL(38, 18)>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647', 'maxNestingDepth', '2147483647')).`id`) AS STRING), CAST(from_json(staged.`_airbyte_data`, 'STRUCT<`id`: DECIMAL(38, 18)>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647', 'maxNestingDepth', '2147483647')).`id` AS STRING)), from_json(staged.`_airbyte_data`, 'STRUCT<`id`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647', 'maxNestingDepth', '2147483647')).`id`) WHEN from_json(staged.`_airbyte_data`, 'STRUCT<`id`: BOOLEAN>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647', 'maxNestingDepth', '2147483647')).`id` IS NOT NULL OR from_json(staged.`_airbyte_data`, 'STRUCT<`id`: ARRAY<STRING>>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647', 'maxNestingDepth', '2147483647')).`id` IS NOT NULL OR from_json(staged.`_airbyte_data`, 'STRUCT<`id`: MAP<STRING, STRING>>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647', 'maxNestingDepth', '2147483647')).`id` IS NOT NULL THEN from_json(staged.`_airbyte_data`, 'STRUCT<`id`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647', 'maxNestingDepth', '2147483647')).`id` ELSE concat('"', from_json(staged.`_airbyte_data`, 'STRUCT<`id`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647', 'maxNestingDepth', '2147483647')).`id`) END) AS `_airbyte_key_0`, from_json(staged.`_airbyte_data`, 'STRUCT<`o`: STRUCT<`it\'s ``x```: STRING>>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647', 'maxNestingDepth', '2147483647')).`o`.`it's ``x``` AS `_airbyte_key_1`, coalesce(try_cast(concat(from_json(staged.`_airbyte_data`, 'STRUCT<`at`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647', 'maxNestingDepth', '2147483647')).`at`, 'Z') AS TIMESTAMP), try_cast(concat(from_json(staged.`_airbyte_data`, 'STRUCT<`at`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647', 'maxNestingDepth', '2147483647')).`at`, 'T00:00:00Z') AS TIMESTAMP), try_cast(from_json(staged.`_airbyte_data`, 'STRUCT<`at`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647', 'maxNestingDepth', '2147483647')).`at` AS TIMESTAMP)) AS `_airbyte_cursor_0`, (from_json(staged.`_airbyte_data`, 'STRUCT<`_ab_cdc_deleted_at`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647', 'maxNestingDepth', '2147483647')).`_ab_cdc_deleted_at` IS NOT NULL) AS `_airbyte_deleted`
      FROM (
        WITH staged AS (
          SELECT *
          FROM read_files('/Volumes/main/shop/airbyte_staging/01234567-89ab-7000-8000-deadbeefcafe/orders', format => 'parquet', schemaEvolutionMode => 'none', ignoreMissingFiles => false)
          WHERE `_airbyte_ab_id` BETWEEN '01a1fac5-7000-7000-8000-000000000000' AND '01a1fac5-7000-7000-8000-000000000002'
        )
        SELECT `_airbyte_ab_id`, `_airbyte_emitted_at`, `_airbyte_data`
        FROM staged
        WHERE (
          SELECT IF(count(*) = 3, true, raise_error('The staged files do not have the 3 rows of this load.'))
          FROM staged
        )
      ) AS staged
    )
  )
  WHERE `_airbyte_rank` = 1
) AS staged
