ALTER TABLE `hive_metastore`.`shop`.`orders` SET TBLPROPERTIES ('destination-databricks.fence' = '01234567-89ab-7000-8000-deadbeefcafe/7')
