SHOW TBLPROPERTIES `hive_metastore`.`shop`.`orders`
