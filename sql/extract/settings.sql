-- What reading must not depend on, for this transaction alone: rows that a policy hides are an error,
-- times without zone are UTC, texts of dates and bytes have one form.
SELECT
    set_config('row_security', 'off', true),
    set_config('TimeZone', 'UTC', true),
    set_config('DateStyle', 'ISO, YMD', true),
    set_config('IntervalStyle', 'iso_8601', true),
    set_config('extra_float_digits', '1', true),
    set_config('bytea_output', 'hex', true)
