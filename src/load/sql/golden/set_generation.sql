ALTER TABLE `hive_metastore`.`shop`.`orders` SET TBLPROPERTIES ('destination-databricks.generation' = '7')
