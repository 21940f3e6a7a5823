"""The engine: decides what is sent, waited for, written and paid; knows no Airflow."""
