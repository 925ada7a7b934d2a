CREATE SCHEMA IF NOT EXISTS `hive_metastore`.`shop`
