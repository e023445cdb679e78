-- Orders, each with where it stands and when its next step is due.
CREATE TABLE orders (
    -- A UUID of version 7 as text: sorts by the time the order was taken.
    id              TEXT    COLLATE "C" NOT NULL PRIMARY KEY,
    -- The caller's: a repeated order is found by it and never stored twice.
    idempotency_key TEXT    NOT NULL UNIQUE,
    user_id         BIGINT  NOT NULL CHECK (user_id >= 1),
    product_id      BIGINT  NOT NULL CHECK (product_id >= 0),
    product_title   TEXT    NOT NULL,
    currency_code   TEXT    NOT NULL,
    units           BIGINT  NOT NULL,
    nanos           BIGINT  NOT NULL,
    -- The address; all five are NULL when the user collects the order.
    recipient       TEXT,
    street          TEXT,
    city            TEXT,
    postal_code     TEXT,
    country_code    TEXT,
    state           TEXT    NOT NULL
        CHECK (state IN ('CREATED', 'PAID', 'SHIPPED', 'REFUSED', 'REFUNDING', 'REFUNDED')),
    payment_id      BIGINT,
    shipping_id     BIGINT,
    note            TEXT    NOT NULL,
    -- Who refused it and why, as JSON.
    refusal         TEXT,
    -- How often the step that it waits for has failed in a row.
    attempts        BIGINT  NOT NULL,
    -- Milliseconds since 1970: nobody tries the next step before. It is the end of a claim while somebody is at it, and
    -- the end of the wait after a failure. NULL in a last state, when nothing is left to do.
    next_attempt_at BIGINT,
    created_at      BIGINT  NOT NULL,
    updated_at      BIGINT  NOT NULL,
    -- Counts the changes, so that one made on an old reading is noticed.
    version         BIGINT  NOT NULL,
    -- Nothing may be marked as done without a trace of who did it, and nothing is forgotten that is not.
    CHECK (state IN ('CREATED', 'REFUSED') OR payment_id IS NOT NULL),
    CHECK (state <> 'SHIPPED' OR shipping_id IS NOT NULL),
    CHECK ((state IN ('SHIPPED', 'REFUSED', 'REFUNDED')) = (next_attempt_at IS NULL))
);

CREATE INDEX orders_due ON orders (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX orders_by_user ON orders (user_id, id);
CREATE INDEX orders_by_state ON orders (state, id);
