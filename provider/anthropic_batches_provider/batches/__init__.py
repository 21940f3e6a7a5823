"""The engine: decides which requests are sent, awaited, written and paid for. It does not depend on Airflow."""
