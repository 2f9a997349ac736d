"""When work is done: hours of the day, windows of dates, what a plan says, how far a backfill has come."""
