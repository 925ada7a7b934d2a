DELETE FROM `hive_metastore`.`shop`.`orders`
