-- How the database stores texts.
SELECT current_setting('server_encoding') AS encoding
