DESCRIBE TABLE EXTENDED `hive_metastore`.`shop`.`orders`
