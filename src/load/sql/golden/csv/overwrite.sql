INSERT OVERWRITE TABLE `hive_metastore`.`shop`.`orders` (`_airbyte_ab_id`, `_airbyte_emitted_at`, `_airbyte_meta`, `name`, `n`, `price`, `photo`, `it's ``odd```, `_airbyte_additional_properties`)
SELECT `_airbyte_ab_id`,
    coalesce(try_cast(`_airbyte_emitted_at` AS TIMESTAMP), CASE WHEN `_airbyte_emitted_at` IS NOT NULL THEN raise_error('A staged text of column _airbyte_emitted_at is no TIMESTAMP.') END) AS `_airbyte_emitted_at`,
    `_airbyte_meta`,
    `name`,
    coalesce(try_cast(`n` AS BIGINT), CASE WHEN `n` IS NOT NULL THEN raise_error('A staged text of column n is no BIGINT.') END) AS `n`,
    coalesce(try_cast(`price` AS DECIMAL(38,2)), CASE WHEN `price` IS NOT NULL THEN raise_error('A staged text of column price is no DECIMAL(38,2).') END) AS `price`,
    coalesce(unbase64(`photo`), CASE WHEN `photo` IS NOT NULL THEN raise_error('A staged text of column photo is no BINARY.') END) AS `photo`,
    coalesce(from_json(`it's ``odd```, 'ARRAY<DOUBLE>', map('mode', 'FAILFAST', 'columnNameOfCorruptRecord', '_unread', 'allowNonNumericNumbers', 'true', 'maxStringLen', '2147483647')), CASE WHEN `it's ``odd``` IS NOT NULL THEN raise_error('A staged text of column it\'s `odd` is no ARRAY<DOUBLE>.') END) AS `it's ``odd```,
    coalesce(from_json(`_airbyte_additional_properties`, 'MAP<STRING, STRING>', map('mode', 'FAILFAST', 'columnNameOfCorruptRecord', '_unread', 'allowNonNumericNumbers', 'true', 'maxStringLen', '2147483647')), CASE WHEN `_airbyte_additional_properties` IS NOT NULL THEN raise_error('A staged text of column _airbyte_additional_properties is no MAP<STRING, STRING>.') END) AS `_airbyte_additional_properties`
FROM `hive_metastore`.`shop`.`_airbyte_tmp_deadbeefcafe_orders`
WHERE `_airbyte_ab_id` BETWEEN '01a1fac5-7000-7000-8000-000000000000' AND '01a1fac5-7000-7000-8000-000000000002'
