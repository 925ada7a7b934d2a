SHOW SCHEMAS IN `hive_metastore` LIKE 'hr|shop'
