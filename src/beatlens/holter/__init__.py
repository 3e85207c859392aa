"""What a Holter report says of records, as tables: rates, pauses, ectopy, RR variation, hours, and what is urgent."""
