-- A shop's table of products, and empty ones for their translations and their attributes.
CREATE TABLE products (product_id INTEGER PRIMARY KEY, name TEXT NOT NULL, description TEXT NOT NULL);
CREATE TABLE translations (
    product_id INTEGER NOT NULL, language TEXT NOT NULL, description TEXT NOT NULL, PRIMARY KEY (product_id, language)
);
CREATE TABLE product_attributes (
    anthropic_batches_unit TEXT NOT NULL,
    product_id INTEGER PRIMARY KEY, parsed_category TEXT, parsed_indoor BOOLEAN, parsed_grams BIGINT, verdict TEXT
);
INSERT INTO products VALUES
    (1, 'Kettle', 'Boils a litre in two minutes, and switches itself off.'),
    (2, 'Toaster', 'Two slots, six shades, and a tray for the crumbs.'),
    (3, 'Lamp', 'Warm light for a desk; "dimmable", and easy on the eyes.'),
    (4, 'Umbrella', 'Opens at a touch. Stands any wind up to 80 km/h.'),
    (5, 'Backpack', 'Room for a laptop, a bottle & a day''s worth of papers.');
