REFRESH TABLE `hive_metastore`.`shop`.`_airbyte_tmp_deadbeefcafe_orders`
