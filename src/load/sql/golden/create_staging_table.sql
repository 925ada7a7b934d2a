CREATE TABLE IF NOT EXISTS `hive_metastore`.`shop`.`_airbyte_tmp_deadbeefcafe_orders`
USING delta
LOCATION 's3://lake/raw/01234567-89ab-7000-8000-deadbeefcafe/shop/orders'
