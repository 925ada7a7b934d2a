MERGE INTO `main`.`shop`.`orders` AS target
USING (
  SELECT DISTINCT `_airbyte_ab_id`
  FROM (
    SELECT `_airbyte_ab_id`, min(`_airbyte_rank`) OVER (PARTITION BY `_airbyte_ab_id`) AS `_airbyte_best_rank`
    FROM (
      SELECT `_airbyte_ab_id`, row_number() OVER (PARTITION BY `_airbyte_key_0`, `_airbyte_key_1` ORDER BY `_airbyte_cursor_0` DESC NULLS LAST, `_airbyte_emitted_at` DESC, `_airbyte_ab_id` DESC) AS `_airbyte_rank`
      FROM (
        SELECT target.`_airbyte_ab_id`, target.`_airbyte_emitted_at`, target.`id` AS `_airbyte_key_0`, target.`o`.`it_s__x_` AS `_airbyte_key_1`, target.`at` AS `_airbyte_cursor_0`, (target.`_ab_cdc_deleted_at` IS NOT NULL) AS `_airbyte_deleted`
        FROM `main`.`shop`.`orders` AS target
      )
      WHERE `_airbyte_key_0` IS NOT NULL AND `_airbyte_key_1` IS NOT NULL
    )
  )
  WHERE `_airbyte_best_rank` > 1
) AS older
ON target.`_airbyte_ab_id` = older.`_airbyte_ab_id`
WHEN MATCHED THEN
  DELETE
