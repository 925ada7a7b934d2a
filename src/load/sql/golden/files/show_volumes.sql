SHOW VOLUMES IN `main`.`shop` LIKE 'airbyte_staging'
