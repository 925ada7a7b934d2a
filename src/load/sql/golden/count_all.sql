SELECT count(*) AS `rows`
FROM `hive_metastore`.`shop`.`orders`
