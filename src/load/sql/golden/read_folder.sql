SELECT `_airbyte_data`
FROM delta.`s3://lake/raw/01234567-89ab-7000-8000-deadbeefcafe/shop/orders`
LIMIT 2
