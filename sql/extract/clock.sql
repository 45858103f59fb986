-- What the server's clock says.
SELECT clock_timestamp()
