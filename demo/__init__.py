"""Run the provider's main job in a real Airflow of its own: ``python -m demo``."""
