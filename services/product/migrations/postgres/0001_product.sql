-- One row per product. The price is google.type.Money: whole units and billionths of one currency.
CREATE TABLE product (
    product_id    BIGINT PRIMARY KEY CHECK (product_id >= 1),
    title         TEXT NOT NULL CHECK (title <> ''),
    currency_code TEXT NOT NULL CHECK (length(currency_code) = 3),
    units         BIGINT NOT NULL,
    nanos         INTEGER NOT NULL CHECK (nanos BETWEEN -999999999 AND 999999999)
);
