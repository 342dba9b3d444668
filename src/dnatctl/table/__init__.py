"""Forward tables as values: whose a row is, what is known of a table, when to write to it next."""
