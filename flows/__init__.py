"""What a person schedules or starts; each flow reads like a table of contents. The work is in `tasks`."""
