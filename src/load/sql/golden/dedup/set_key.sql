ALTER TABLE `main`.`shop`.`orders` SET TBLPROPERTIES ('destination-databricks.primaryKey' = '[["id"],["o","it\'s `x`"]]')
