-- One row per shipment. The key's uniqueness is what makes a shipment happen once; rows are never deleted, and their
-- numbers never used again. Without an address the user collects the parcel.
CREATE TABLE shipment (
    shipping_id     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    idempotency_key TEXT NOT NULL UNIQUE,
    order_id        TEXT NOT NULL,
    user_id         BIGINT NOT NULL CHECK (user_id >= 1),
    recipient       TEXT,
    street          TEXT,
    city            TEXT,
    postal_code     TEXT,
    country_code    TEXT CHECK (length(country_code) = 2),
    shipped_at      TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    -- All of the address or none of it.
    CHECK (
        (recipient IS NULL) = (country_code IS NULL)
        AND (street IS NULL) = (country_code IS NULL)
        AND (city IS NULL) = (country_code IS NULL)
        AND (postal_code IS NULL) = (country_code IS NULL)
    )
);

CREATE INDEX shipment_by_order ON shipment (order_id);
