"""The lake: Parquet as the record, DuckDB for reading, nothing half written."""
