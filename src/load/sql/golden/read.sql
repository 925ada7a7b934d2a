SELECT `_airbyte_data`
FROM `hive_metastore`.`shop`.`orders`
LIMIT 2
