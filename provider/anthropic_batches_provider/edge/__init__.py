"""The layer between Airflow and the engine. It is private: users import from the modules next to this folder."""
