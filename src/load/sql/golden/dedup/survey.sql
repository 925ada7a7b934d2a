SELECT min(staged.`id`), max(staged.`id`), count(staged.`id`), count(*), count_if(NOT staged.`_airbyte_deleted`), coalesce(sum(staged.`_airbyte_versions`), 0)
FROM (
  SELECT *
  FROM (
    SELECT *, row_number() OVER (PARTITION BY `_airbyte_key_0`, `_airbyte_key_1` ORDER BY `_airbyte_cursor_0` DESC NULLS LAST, `_airbyte_emitted_at` DESC, `_airbyte_ab_id` DESC) AS `_airbyte_rank`,
      count(*) OVER (PARTITION BY `_airbyte_key_0`, `_airbyte_key_1`) AS `_airbyte_versions`
    FROM (
      SELECT staged.*, staged.`id` AS `_airbyte_key_0`, staged.`o`.`it_s__x_` AS `_airbyte_key_1`, staged.`at` AS `_airbyte_cursor_0`, (staged.`_ab_cdc_deleted_at` IS NOT NULL) AS `_airbyte_deleted`
      FROM (
        WITH staged AS (
          SELECT `_airbyte_ab_id`, `_airbyte_emitted_at`, `_airbyte_meta`, `id`, `o`, `at`, `_ab_cdc_deleted_at`, `_airbyte_additional_properties`
          FROM `main`.`shop`.`_airbyte_tmp_deadbeefcafe_orders`
          WHERE `_airbyte_ab_id` BETWEEN '01a1fac5-7000-7000-8000-000000000000' AND '01a1fac5-7000-7000-8000-000000000002'
        )
        SELECT `_airbyte_ab_id`, `_airbyte_emitted_at`, `_airbyte_meta`, `id`, `o`, `at`, `_ab_cdc_deleted_at`, `_airbyte_additional_properties`
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
