"""The XCom keys of a task. Never rename one: tasks that an older version of this package deferred still read them."""

DEFERRAL_KEY = "deferral"
MANIFEST_KEY = "manifest"
PROGRESS_KEY = "progress"
RETURN_VALUE_KEY = "return_value"  # Airflow's own
