MERGE INTO `main`.`shop`.`orders` AS target
USING (
  SELECT *
  FROM (
    SELECT `_airbyte_ab_id`, `_airbyte_key_0`, `_airbyte_key_1`, row_number() OVER (PARTITION BY `_airbyte_key_0`, `_airbyte_key_1` ORDER BY `_airbyte_cursor_0` DESC NULLS LAST, `_airbyte_emitted_at` DESC, `_airbyte_ab_id` DESC) AS `_airbyte_rank`,
      count(*) OVER (PARTITION BY `_airbyte_key_0`, `_airbyte_key_1`) AS `_airbyte_versions`
    FROM (
      SELECT target.`_airbyte_ab_id`, target.`_airbyte_emitted_at`, target.`id` AS `_airbyte_key_0`, target.`o`.`it_s__x_` AS `_airbyte_key_1`, target.`at` AS `_airbyte_cursor_0`, (target.`_ab_cdc_deleted_at` IS NOT NULL) AS `_airbyte_deleted`
      FROM `main`.`shop`.`orders` AS target
    )
    WHERE `_airbyte_key_0` IS NOT NULL AND `_airbyte_key_1` IS NOT NULL
  )
  WHERE `_airbyte_rank` = 1 AND `_airbyte_versions` > 1
) AS newest
ON target.`id` <=> newest.`_airbyte_key_0`
  AND target.`o`.`it_s__x_` <=> newest.`_airbyte_key_1`
WHEN MATCHED AND NOT (target.`_airbyte_ab_id` <=> newest.`_airbyte_ab_id`) THEN
  DELETE
