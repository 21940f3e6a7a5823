"""What stands between Airflow and the engine; private: users import from the modules beside this folder."""
