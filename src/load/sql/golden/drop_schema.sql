DROP SCHEMA IF EXISTS `hive_metastore`.`shop` RESTRICT
