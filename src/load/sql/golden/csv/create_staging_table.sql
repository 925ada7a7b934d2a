CREATE TABLE IF NOT EXISTS `hive_metastore`.`shop`.`_airbyte_tmp_deadbeefcafe_orders` (
  `_airbyte_ab_id` STRING,
  `_airbyte_emitted_at` STRING,
  `_airbyte_meta` STRING,
  `name` STRING,
  `n` STRING,
  `price` STRING,
  `photo` STRING,
  `it's ``odd``` STRING,
  `_airbyte_additional_properties` STRING
)
USING csv
OPTIONS (
  'header' = 'true',
  'enforceSchema' = 'true',
  'inferSchema' = 'false',
  'sep' = ',',
  'lineSep' = '\n',
  'multiLine' = 'true',
  'encoding' = 'UTF-8',
  'quote' = '"',
  'escape' = '"',
  'charToEscapeQuoteEscaping' = '"',
  'unescapedQuoteHandling' = 'RAISE_ERROR',
  'comment' = '',
  'nullValue' = 'NULL of 01234567-89ab-7000-8000-deadbeefcafe/shop/orders',
  'emptyValue' = '',
  'ignoreLeadingWhiteSpace' = 'false',
  'ignoreTrailingWhiteSpace' = 'false',
  'maxColumns' = '20480',
  'maxCharsPerColumn' = '-1',
  'mode' = 'FAILFAST',
  'columnNameOfCorruptRecord' = '_unread',
  'ignoreMissingFiles' = 'false',
  'ignoreCorruptFiles' = 'false',
  'recursiveFileLookup' = 'false'
)
LOCATION 'abfss://lake@account.dfs.core.windows.net/01234567-89ab-7000-8000-deadbeefcafe/shop/orders'
