MERGE INTO `main`.`shop`.`orders` AS target
USING (
  SELECT *, explode(array(false, true)) AS `_airbyte_is_added`
  FROM (
    SELECT *, row_number() OVER (PARTITION BY `_airbyte_key_0`, `_airbyte_key_1` ORDER BY `_airbyte_cursor_0` DESC NULLS LAST, `_airbyte_emitted_at` DESC, `_airbyte_ab_id` DESC) AS `_airbyte_rank`
    FROM (
      SELECT *
      FROM (
        SELECT target.`_airbyte_ab_id`, target.`_airbyte_emitted_at`, target.`_airbyte_meta`, target.`id`, target.`o`, target.`at`, target.`_ab_cdc_deleted_at`, target.`_airbyte_additional_properties`, target.`theirs`, target.`id` AS `_airbyte_key_0`, target.`o`.`it_s__x_` AS `_airbyte_key_1`, target.`at` AS `_airbyte_cursor_0`, (target.`_ab_cdc_deleted_at` IS NOT NULL) AS `_airbyte_deleted`
        FROM `main`.`shop`.`orders` AS target
      ) AS target
      LEFT SEMI JOIN (
        SELECT `_airbyte_key_0`, `_airbyte_key_1`
        FROM (
          SELECT target.`id` AS `_airbyte_key_0`, target.`o`.`it_s__x_` AS `_airbyte_key_1`
          FROM `main`.`shop`.`orders` AS target
        ) AS target
        WHERE `_airbyte_key_0` IS NOT NULL AND `_airbyte_key_1` IS NOT NULL
        GROUP BY `_airbyte_key_0`, `_airbyte_key_1`
        HAVING count(*) > 1
      ) AS several
      ON target.`_airbyte_key_0` <=> several.`_airbyte_key_0` AND target.`_airbyte_key_1` <=> several.`_airbyte_key_1`
    )
  )
  WHERE `_airbyte_rank` = 1
) AS newest
ON NOT newest.`_airbyte_is_added`
  AND target.`id` <=> newest.`_airbyte_key_0`
  AND target.`o`.`it_s__x_` <=> newest.`_airbyte_key_1`
WHEN MATCHED THEN
  DELETE
WHEN NOT MATCHED AND newest.`_airbyte_is_added` THEN
  INSERT (`_airbyte_ab_id`, `_airbyte_emitted_at`, `_airbyte_meta`, `id`, `o`, `at`, `_ab_cdc_deleted_at`, `_airbyte_additional_properties`, `theirs`)
  VALUES (newest.`_airbyte_ab_id`, newest.`_airbyte_emitted_at`, newest.`_airbyte_meta`, newest.`id`, newest.`o`, newest.`at`, newest.`_ab_cdc_deleted_at`, newest.`_airbyte_additional_properties`, newest.`theirs`)
