MERGE INTO `main`.`shop`.`orders` AS target
USING (
  SELECT *
  FROM (
    SELECT *, row_number() OVER (PARTITION BY `_airbyte_key_0`, `_airbyte_key_1` ORDER BY `_airbyte_cursor_0` DESC NULLS LAST, `_airbyte_emitted_at` DESC, `_airbyte_ab_id` DESC) AS `_airbyte_rank`
    FROM (
      SELECT staged.*, regexp_replace(from_json(staged.`_airbyte_data`, 'STRUCT<`id`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647')).`id`, '[.]0+$', '') AS `_airbyte_key_0`, from_json(staged.`_airbyte_data`, 'STRUCT<`o`: STRUCT<`it\'s ``x```: STRING>>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647')).`o`.`it's ``x``` AS `_airbyte_key_1`, coalesce(try_cast(concat(from_json(staged.`_airbyte_data`, 'STRUCT<`at`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647')).`at`, 'Z') AS TIMESTAMP), try_cast(concat(from_json(staged.`_airbyte_data`, 'STRUCT<`at`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647')).`at`, 'T00:00:00Z') AS TIMESTAMP), try_cast(from_json(staged.`_airbyte_data`, 'STRUCT<`at`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647')).`at` AS TIMESTAMP)) AS `_airbyte_cursor_0`, (from_json(staged.`_airbyte_data`, 'STRUCT<`_ab_cdc_deleted_at`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647')).`_ab_cdc_deleted_at` IS NOT NULL) AS `_airbyte_deleted`
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
ON regexp_replace(from_json(target.`_airbyte_data`, 'STRUCT<`id`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647')).`id`, '[.]0+$', '') <=> staged.`_airbyte_key_0`
  AND from_json(target.`_airbyte_data`, 'STRUCT<`o`: STRUCT<`it\'s ``x```: STRING>>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647')).`o`.`it's ``x``` <=> staged.`_airbyte_key_1`
WHEN MATCHED AND staged.`_airbyte_deleted`
  AND (
    staged.`_airbyte_cursor_0` > coalesce(try_cast(concat(from_json(target.`_airbyte_data`, 'STRUCT<`at`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647')).`at`, 'Z') AS TIMESTAMP), try_cast(concat(from_json(target.`_airbyte_data`, 'STRUCT<`at`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647')).`at`, 'T00:00:00Z') AS TIMESTAMP), try_cast(from_json(target.`_airbyte_data`, 'STRUCT<`at`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647')).`at` AS TIMESTAMP))
    OR staged.`_airbyte_cursor_0` IS NOT NULL AND coalesce(try_cast(concat(from_json(target.`_airbyte_data`, 'STRUCT<`at`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647')).`at`, 'Z') AS TIMESTAMP), try_cast(concat(from_json(target.`_airbyte_data`, 'STRUCT<`at`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647')).`at`, 'T00:00:00Z') AS TIMESTAMP), try_cast(from_json(target.`_airbyte_data`, 'STRUCT<`at`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647')).`at` AS TIMESTAMP)) IS NULL
    OR staged.`_airbyte_cursor_0` <=> coalesce(try_cast(concat(from_json(target.`_airbyte_data`, 'STRUCT<`at`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647')).`at`, 'Z') AS TIMESTAMP), try_cast(concat(from_json(target.`_airbyte_data`, 'STRUCT<`at`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647')).`at`, 'T00:00:00Z') AS TIMESTAMP), try_cast(from_json(target.`_airbyte_data`, 'STRUCT<`at`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647')).`at` AS TIMESTAMP)) AND (
      staged.`_airbyte_emitted_at` > target.`_airbyte_emitted_at`
      OR staged.`_airbyte_emitted_at` = target.`_airbyte_emitted_at` AND staged.`_airbyte_ab_id` > target.`_airbyte_ab_id`
    )
  ) THEN
  DELETE
WHEN MATCHED AND (
    staged.`_airbyte_cursor_0` > coalesce(try_cast(concat(from_json(target.`_airbyte_data`, 'STRUCT<`at`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647')).`at`, 'Z') AS TIMESTAMP), try_cast(concat(from_json(target.`_airbyte_data`, 'STRUCT<`at`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647')).`at`, 'T00:00:00Z') AS TIMESTAMP), try_cast(from_json(target.`_airbyte_data`, 'STRUCT<`at`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647')).`at` AS TIMESTAMP))
    OR staged.`_airbyte_cursor_0` IS NOT NULL AND coalesce(try_cast(concat(from_json(target.`_airbyte_data`, 'STRUCT<`at`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647')).`at`, 'Z') AS TIMESTAMP), try_cast(concat(from_json(target.`_airbyte_data`, 'STRUCT<`at`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647')).`at`, 'T00:00:00Z') AS TIMESTAMP), try_cast(from_json(target.`_airbyte_data`, 'STRUCT<`at`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647')).`at` AS TIMESTAMP)) IS NULL
    OR staged.`_airbyte_cursor_0` <=> coalesce(try_cast(concat(from_json(target.`_airbyte_data`, 'STRUCT<`at`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647')).`at`, 'Z') AS TIMESTAMP), try_cast(concat(from_json(target.`_airbyte_data`, 'STRUCT<`at`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647')).`at`, 'T00:00:00Z') AS TIMESTAMP), try_cast(from_json(target.`_airbyte_data`, 'STRUCT<`at`: STRING>', map('maxStringLen', '2147483647', 'maxNumLen', '2147483647')).`at` AS TIMESTAMP)) AND (
      staged.`_airbyte_emitted_at` > target.`_airbyte_emitted_at`
      OR staged.`_airbyte_emitted_at` = target.`_airbyte_emitted_at` AND staged.`_airbyte_ab_id` > target.`_airbyte_ab_id`
    )
  ) THEN
  UPDATE SET
    `_airbyte_ab_id` = staged.`_airbyte_ab_id`,
    `_airbyte_emitted_at` = staged.`_airbyte_emitted_at`,
    `_airbyte_data` = staged.`_airbyte_data`
WHEN NOT MATCHED AND NOT staged.`_airbyte_deleted` THEN
  INSERT (`_airbyte_ab_id`, `_airbyte_emitted_at`, `_airbyte_data`)
  VALUES (staged.`_airbyte_ab_id`, staged.`_airbyte_emitted_at`, staged.`_airbyte_data`)
