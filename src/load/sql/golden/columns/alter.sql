ALTER TABLE `hive_metastore`.`shop`.`orders` SET TBLPROPERTIES ('delta.feature.timestampNtz' = 'supported')

ALTER TABLE `hive_metastore`.`shop`.`orders` ADD COLUMNS (
  `at` TIMESTAMP_NTZ,
  `address`.`geo` STRUCT<`lat`: DOUBLE, `l``n`: DOUBLE>,
  `items`.`element`.`qty` ARRAY<BIGINT>
)

ALTER TABLE `hive_metastore`.`shop`.`orders` ALTER COLUMN `theirs` DROP NOT NULL

ALTER TABLE `hive_metastore`.`shop`.`orders` ALTER COLUMN `small` TYPE BIGINT
