SELECT typeof(first(`address`)), typeof(first(`it``s`))
FROM `hive_metastore`.`shop`.`orders`
WHERE false
