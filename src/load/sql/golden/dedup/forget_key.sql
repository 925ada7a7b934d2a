ALTER TABLE `main`.`shop`.`orders` UNSET TBLPROPERTIES IF EXISTS ('destination-databricks.primaryKey')
