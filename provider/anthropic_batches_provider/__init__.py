"""Anthropic Message Batches for Apache Airflow: rows in, answers out, nothing paid twice, nothing lost."""

__version__ = "0.1.0"
