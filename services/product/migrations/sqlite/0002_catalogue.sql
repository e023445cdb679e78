-- The catalogue that ships with the service.
INSERT INTO product (product_id, title, currency_code, units, nanos) VALUES
    (1, 'Turkish coffee pot, copper, 350 ml', 'EUR', 24, 900000000),
    (2, 'Tea glasses with saucers, set of six', 'EUR', 18, 500000000),
    (3, 'Hand-woven kilim, 60 × 90 cm', 'EUR', 129, 0),
    (4, 'Olive wood cutting board', 'EUR', 32, 0),
    (5, 'Ceramic bowl, blue tulips, 25 cm', 'EUR', 41, 750000000),
    (6, 'Black tea from Rize, 500 g', 'EUR', 7, 200000000),
    (7, 'Peshtemal towel, cotton, 100 × 180 cm', 'EUR', 21, 900000000),
    (8, 'Backgammon board, walnut inlay', 'EUR', 189, 0),
    (9, 'Mosaic table lamp', 'EUR', 54, 900000000),
    (10, 'Notebook, dotted, A5', 'EUR', 3, 200000000),
    (11, 'Desk, solid oak, adjustable in height', 'EUR', 1249, 0),
    (12, 'Grand piano, black, 188 cm', 'EUR', 28990, 0);
