"""The example DAGs, at the place where Airflow looks: the package named as this distribution, then ``example_dags``.

In a clone, ``example_dags`` is a link to ``dags/``; the wheel and the source distribution hold the files themselves.
"""
