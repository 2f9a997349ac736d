"""What a person schedules or starts. Each flow reads like a table of contents; the work is done in `tasks`."""
