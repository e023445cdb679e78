-- One row per charge. The key's uniqueness is what makes a charge happen once; rows are never deleted, and their numbers
-- never used again. The amount is google.type.Money: whole units and billionths of one currency.
CREATE TABLE payment (
    payment_id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    idempotency_key TEXT NOT NULL UNIQUE,
    order_id        TEXT NOT NULL,
    user_id         BIGINT NOT NULL CHECK (user_id >= 1),
    currency_code   TEXT NOT NULL CHECK (length(currency_code) = 3),
    units           BIGINT NOT NULL CHECK (units >= 0),
    nanos           INTEGER NOT NULL CHECK (nanos BETWEEN 0 AND 999999999),
    state           TEXT NOT NULL CHECK (state IN ('charged', 'refunded')),
    charged_at      TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP,
    refunded_at     TIMESTAMPTZ CHECK ((refunded_at IS NULL) = (state = 'charged')),
    refund_reason   TEXT
);

CREATE INDEX payment_by_order ON payment (order_id);
