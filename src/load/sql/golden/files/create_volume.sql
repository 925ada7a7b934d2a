CREATE VOLUME IF NOT EXISTS `main`.`shop`.`airbyte_staging` COMMENT 'Files that Airbyte has staged'
