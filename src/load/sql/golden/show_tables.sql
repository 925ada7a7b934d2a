SHOW TABLES IN `hive_metastore`.`shop` LIKE 'customers|orders'
