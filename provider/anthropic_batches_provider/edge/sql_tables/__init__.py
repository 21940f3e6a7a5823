"""A table of a database as the destination of rows, through any DB-API hook of Airflow."""
