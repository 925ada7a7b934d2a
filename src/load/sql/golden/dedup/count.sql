SELECT sum(`rows`) AS `rows`
FROM (
SELECT coalesce(sum(staged.`_airbyte_versions`), 0) AS `rows`
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
LEFT SEMI JOIN `main`.`shop`.`orders` AS target
ON target.`id` <=> staged.`_airbyte_key_0`
  AND target.`o`.`it_s__x_` <=> staged.`_airbyte_key_1`
  AND target.`id` BETWEEN 1 AND 9
  AND NOT coalesce(
    staged.`_airbyte_cursor_0` > target.`at`
    OR staged.`_airbyte_cursor_0` IS NOT NULL AND target.`at` IS NULL
    OR staged.`_airbyte_cursor_0` <=> target.`at` AND (
      staged.`_airbyte_emitted_at` > target.`_airbyte_emitted_at`
      OR target.`_airbyte_emitted_at` IS NULL
      OR staged.`_airbyte_emitted_at` = target.`_airbyte_emitted_at` AND (staged.`_airbyte_ab_id` > target.`_airbyte_ab_id` OR target.`_airbyte_ab_id` IS NULL)
    )
  , false)
WHERE NOT staged.`_airbyte_deleted`
UNION ALL
SELECT coalesce(sum(staged.`_airbyte_versions`), 0) AS `rows`
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
LEFT ANTI JOIN `main`.`shop`.`orders` AS target
ON target.`id` <=> staged.`_airbyte_key_0`
  AND target.`o`.`it_s__x_` <=> staged.`_airbyte_key_1`
  AND target.`id` BETWEEN 1 AND 9
  AND coalesce(
    staged.`_airbyte_cursor_0` > target.`at`
    OR staged.`_airbyte_cursor_0` IS NOT NULL AND target.`at` IS NULL
    OR staged.`_airbyte_cursor_0` <=> target.`at` AND (
      staged.`_airbyte_emitted_at` > target.`_airbyte_emitted_at`
      OR target.`_airbyte_emitted_at` IS NULL
      OR staged.`_airbyte_emitted_at` = target.`_airbyte_emitted_at` AND (staged.`_airbyte_ab_id` > target.`_airbyte_ab_id` OR target.`_airbyte_ab_id` IS NULL)
    )
  , false)
WHERE staged.`_airbyte_deleted`
)
