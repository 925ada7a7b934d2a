ALTER TABLE `hive_metastore`.`shop`.`orders` SET TBLPROPERTIES ('destination-databricks.fence' = '01a1fac5-7000-7000-8000-000000000002')
