"""Forward tables as values: whose a row is, what is known of a table, what it is to be written."""
