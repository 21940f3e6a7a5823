"""Where each module of the package is tested: ``a/b.py`` in ``tests/unit/a/test_b.py``, or as :data:`WHERE` says."""

from __future__ import annotations

from pathlib import Path

import anthropic_batches_provider

PACKAGE = Path(anthropic_batches_provider.__file__).parent
TESTS = Path(__file__).parents[1]

WHERE: dict[str, tuple[str, ...]] = {
    "__main__.py": ("unit/cli/test_commands.py",),
    "batches/account.py": ("unit/batches/client/test_failures.py", "integration/test_submission.py"),
    "batches/client/async_client.py": ("integration/test_client.py", "integration/test_a_day_of_waiting.py"),
    "batches/client/calls.py": ("integration/test_client.py", "unit/batches/client/test_failures.py"),
    "batches/client/connection.py": ("unit/batches/client/test_settings.py", "unit/test_hooks.py"),
    "batches/client/http_log_filter.py": ("integration/test_quiet_calls.py",),
    "batches/client/sdk.py": ("integration/test_client.py",),
    "batches/client/sightings.py": ("integration/test_client.py",),
    "batches/client/sync_client.py": ("integration/test_client.py",),
    "batches/client/transport.py": ("integration/test_client.py",),
    "batches/collection/ended_batches.py": ("unit/batches/collection/test_faults.py",),
    "batches/collection/job_collection.py": ("integration/test_one_job.py", "integration/test_destinations.py"),
    "batches/collection/job_context.py": ("unit/batches/collection/test_entry_points.py",),
    "batches/collection/job_results.py": (
        "unit/batches/collection/test_entry_points.py",
        "integration/test_one_job.py",
    ),
    "batches/collection/plain_batches.py": ("unit/batches/collection/test_entry_points.py",),
    "batches/collection/round_results.py": ("integration/test_results_of_further_rounds.py",),
    "batches/collection/shard_part.py": ("unit/batches/collection/test_entry_points.py",),
    "batches/collection/unreadable_lines.py": ("unit/batches/collection/test_faults.py",),
    "batches/collection/unusable_rows.py": ("unit/batches/collection/test_entry_points.py",),
    "batches/collection/written_parts.py": ("integration/test_one_job.py", "integration/test_resume_at_size.py"),
    "batches/estimates/caveats.py": ("unit/batches/estimates/test_estimator.py",),
    "batches/estimates/row_costs.py": ("unit/batches/estimates/test_estimator.py",),
    "batches/estimates/seen_rows.py": ("unit/batches/estimates/test_estimator.py",),
    "batches/estimates/strata.py": ("unit/batches/estimates/test_estimator.py",),
    "batches/file_options.py": ("unit/edge/test_row_sources.py",),
    "batches/further_rounds.py": ("integration/test_rounds.py", "integration/test_repair.py"),
    "batches/invalid_rows.py": ("unit/batches/test_sharding.py", "integration/test_invalid_rows.py"),
    "batches/job_advance.py": ("integration/test_one_job.py", "integration/test_windows.py"),
    "batches/ledger/batch_claims.py": ("unit/batches/ledger/test_job_folder.py", "integration/test_odd_answers.py"),
    "batches/ledger/collection_records.py": ("unit/batches/ledger/test_job_folder.py",),
    "batches/ledger/job_records.py": ("unit/batches/ledger/test_job_folder.py",),
    "batches/ledger/ledger_index.py": ("unit/batches/ledger/test_job_folder.py",),
    "batches/ledger/paths.py": ("unit/batches/ledger/test_job_folder.py",),
    "batches/ledger/record_format.py": ("unit/batches/ledger/test_job_folder.py", "properties/test_spending_cases.py"),
    "batches/ledger/records.py": ("unit/batches/ledger/test_job_folder.py", "compatibility/test_ledger.py"),
    "batches/ledger/replacement.py": ("integration/test_submission.py",),
    "batches/ledger/shard_state.py": ("unit/batches/ledger/test_job_folder.py",),
    "batches/ledger/unit_jobs.py": ("unit/batches/ledger/test_job_folder.py", "integration/test_submission.py"),
    "batches/ledger/wholeness.py": ("properties/test_lost_files.py", "unit/batches/ledger/test_job_folder.py"),
    "batches/limits.py": ("unit/batches/test_sharding.py", "unit/batches/requests/test_questions.py"),
    "batches/output/dead_letters.py": ("unit/batches/collection/test_dead_letters.py", "dags/test_dead_letters.py"),
    "batches/output/cache_report.py": ("integration/test_cache_gains.py",),
    "batches/output/answered_row.py": ("unit/batches/output/test_row_json.py",),
    "batches/output/collection_settings.py": ("unit/batches/collection/test_entry_points.py",),
    "batches/output/json_lines.py": ("unit/batches/collection/test_entry_points.py",),
    "batches/output/manifest.py": ("unit/batches/collection/test_entry_points.py",),
    "batches/output/memory.py": ("unit/batches/output/test_row_json.py", "integration/test_one_job.py"),
    "batches/judging/answer_json.py": ("unit/batches/judging/test_judge.py", "unit/batches/output/test_row_json.py"),
    "batches/output/part_files.py": ("unit/batches/collection/test_faults.py", "integration/test_one_job.py"),
    "batches/output/publishing.py": ("unit/batches/collection/test_faults.py", "integration/test_destinations.py"),
    "batches/output/row_sink.py": ("unit/batches/output/test_formats.py",),
    "batches/output/source.py": ("unit/batches/collection/test_entry_points.py",),
    "batches/output/target_table.py": ("integration/test_sql_tables.py",),
    "batches/output/user_columns.py": ("unit/batches/rows/test_columns.py", "unit/edge/test_parse_checks.py"),
    "batches/progress.py": ("integration/test_progress.py",),
    "batches/submission/pilot_gate.py": ("integration/test_pilot.py", "integration/test_pilot_in_trouble.py"),
    "batches/prompt_cache/cache_rules.py": ("unit/batches/submission/test_cache_gate.py",),
    "batches/prompt_cache/marked_blocks.py": ("unit/batches/prompt_cache/test_prefix_markers.py",),
    "batches/submission/shard_uploads.py": ("unit/batches/submission/test_sealing.py", "integration/test_primers.py"),
    "batches/submission/unbilled_jobs.py": ("integration/test_undo.py", "models/test_spending_models.py"),
    "batches/requests/answer_schemas.py": ("unit/batches/requests/test_questions.py",),
    "batches/requests/schema_places.py": ("unit/batches/requests/test_output_schemas.py",),
    "batches/verdicts.py": ("unit/batches/judging/test_judge.py",),
    "batches/requests/encoding.py": ("unit/batches/requests/test_questions.py", "properties/test_rows.py"),
    "batches/requests/params.py": ("unit/batches/requests/test_questions.py", "properties/test_rows.py"),
    "batches/requests/prompt_syntax.py": (
        "unit/batches/requests/test_templates.py",
        "unit/edge/test_parse_checks.py",
    ),
    "batches/requests/question_rules.py": (
        "unit/batches/requests/test_questions.py",
        "unit/edge/test_parse_checks.py",
    ),
    "batches/requests/sdk_types.py": ("unit/batches/requests/test_sdk_values.py",),
    "batches/requests/wording.py": ("unit/batches/requests/test_templates.py",),
    "batches/rows/cell_marks.py": ("unit/batches/rows/test_delimited_text.py",),
    "batches/rows/reading.py": ("unit/batches/rows/test_formats.py",),
    "batches/rows/splices.py": ("properties/test_splices.py",),
    "batches/rows/arrow/arrow_streams.py": (
        "unit/batches/rows/arrow/test_parquet_files.py",
        "unit/batches/rows/arrow/test_arrow_files.py",
    ),
    "batches/rows/arrow/int96.py": ("unit/batches/rows/arrow/test_parquet_files.py",),
    "batches/rows/arrow/unreadable.py": ("unit/batches/rows/arrow/test_arrow_values.py",),
    "batches/rows/source_schema.py": ("unit/batches/rows/test_formats.py",),
    "batches/results/expected.py": ("unit/batches/results/test_spool.py",),
    "batches/results/fetching.py": ("unit/batches/results/test_spool.py",),
    "batches/undecodable.py": ("unit/batches/results/test_decode.py",),
    "batches/results/unreadable.py": ("unit/batches/results/test_decode.py",),
    "batches/service.py": ("integration/test_submission.py", "properties/test_spending.py"),
    "batches/submission/by_hand.py": ("integration/test_settle_by_hand.py",),
    "batches/submission/job_signals.py": ("integration/test_submission.py", "integration/test_windows.py"),
    "batches/submission/lost_answers.py": ("integration/test_submission.py", "properties/test_spending.py"),
    "batches/submission/opening.py": ("integration/test_submission.py",),
    "batches/submission/outcomes.py": ("integration/test_submission.py", "properties/test_spending_cases.py"),
    "batches/submission/running_batches.py": ("integration/test_windows.py",),
    "batches/submission/service_time.py": ("integration/test_submission.py",),
    "batches/submission/settler.py": ("integration/test_submission.py", "properties/test_spending.py"),
    "batches/submission/shard_body.py": ("integration/test_submission.py",),
    "batches/submission/shard_sender.py": ("integration/test_submission.py", "integration/test_windows.py"),
    "batches/submission/submission.py": ("integration/test_submission.py",),
    "batches/watching/look_intervals.py": ("unit/batches/watching/test_wait.py", "unit/batches/test_pauses.py"),
    "cli/__main__.py": ("unit/cli/demo/test_command.py",),
    "cli/demo/airflow_runs.py": ("unit/cli/demo/test_command.py",),
    "cli/demo/files.py": ("unit/cli/demo/test_command.py",),
    "cli/demo/label_reviews.py": ("unit/cli/demo/test_command.py",),
    "cli/settle.py": ("integration/test_settle_by_hand.py",),
    "cli/simulator.py": ("unit/simulator/test_server.py",),
    "cli/simulator_extra.py": ("unit/cli/test_commands.py",),
    "decorators.py": ("dags/test_one_task.py", "unit/test_provider_info.py"),
    "destinations.py": ("unit/edge/test_sql_table.py", "dags/test_table_arguments.py"),
    "edge/arguments.py": ("unit/test_sensors.py", "unit/test_event_triggers.py"),
    "edge/connection_form.py": ("unit/test_hooks.py", "unit/test_provider_info.py"),
    "edge/deferral_notice.py": ("unit/test_triggers.py",),
    "edge/kill_policy.py": ("e2e/test_kills.py",),
    "edge/mapped_arguments.py": ("dags/test_one_task.py",),
    "edge/object_storage.py": ("contracts/test_storage.py", "contracts/test_store_faults.py"),
    "edge/prompt_files.py": ("dags/test_variety.py",),
    "edge/shared_files.py": ("unit/edge/test_shared_context.py",),
    "edge/sql_connections.py": ("unit/edge/test_sql_reading.py", "integration/test_sql_tables.py"),
    "edge/sql_tables/database.py": ("integration/test_sql_tables.py",),
    "edge/sql_tables/loading.py": ("integration/test_sql_tables.py", "integration/test_killed_loads.py"),
    "edge/sql_tables/sessions.py": ("integration/test_sql_tables.py",),
    "edge/sql_tables/staging.py": ("integration/test_sql_tables.py",),
    "edge/sql_tables/target.py": ("integration/test_sql_tables.py", "dags/test_tables_out.py"),
    "edge/sql_tables/catalog.py": ("integration/test_table_checks.py",),
    "edge/sql_tables/checks.py": ("integration/test_table_checks.py",),
    "edge/sql_tables/problems.py": ("integration/test_table_checks.py",),
    "edge/sql_tables/reading.py": ("dags/test_table_arguments.py",),
    "edge/sql_tables/rehearsal.py": ("integration/test_table_checks.py",),
    "edge/templated_arguments.py": ("dags/test_sql_rows.py", "dags/test_table_arguments.py"),
    "edge/task_destination.py": ("dags/test_one_task.py", "dags/test_main_job.py"),
    "edge/xcom_keys.py": ("dags/test_limits_and_outages.py", "compatibility/test_going_on.py"),
    "errors.py": ("unit/test_docs.py", "integration/test_client.py"),
    "operators/cancel.py": ("dags/test_variety.py",),
    "operators/estimate.py": ("dags/test_estimate.py",),
    "operators/one_task.py": ("dags/test_one_task.py",),
    "operators/results.py": ("dags/test_main_job.py", "dags/test_example_dags.py"),
    "operators/stints/estimating.py": ("dags/test_estimate.py", "unit/cli/test_estimate.py"),
    "operators/stints/job_arguments.py": ("dags/test_one_task.py",),
    "operators/stints/job_input.py": ("dags/test_one_task.py", "dags/test_identity.py"),
    "operators/stints/stint.py": ("dags/test_one_task.py", "dags/test_identity.py"),
    "operators/stints/tokens_with_betas.py": ("integration/test_client.py",),
    "operators/submit.py": ("dags/test_main_job.py", "dags/test_limits_and_outages.py"),
    "simulator/__main__.py": ("unit/simulator/test_server.py",),
    "simulator/control/control_client.py": ("unit/simulator/control/test_control_routes.py",),
    "simulator/control/received.py": ("unit/simulator/control/test_control_routes.py",),
    "simulator/control/simulator.py": ("unit/simulator/service/test_simulated_batch.py",),
    "simulator/http/": ("unit/simulator/http/test_api_calls.py", "contracts/test_simulator_sdk.py"),
    "simulator/service/billing.py": ("unit/simulator/service/test_simulated_batch.py",),
    "simulator/service/identifiers.py": ("unit/simulator/service/test_simulated_batch.py",),
    "simulator/service/message_batch_service.py": ("unit/simulator/service/test_simulated_batch.py",),
    "simulator/service/model_catalog.py": ("unit/simulator/service/test_params_validation.py",),
    "simulator/service/preparation.py": ("unit/simulator/service/test_simulated_batch.py",),
    "simulator/service/prompt_contents.py": ("unit/simulator/service/test_simulated_batch.py",),
    "simulator/service/refusals.py": ("unit/simulator/service/test_create_body.py",),
    "simulator/service/result_lines.py": ("unit/simulator/service/test_simulated_batch.py",),
    "simulator/service/schema_patterns.py": ("unit/simulator/service/test_schema_answers.py",),
    "sources.py": ("unit/edge/test_published_output.py", "dags/test_read_rows.py"),
    "simulator/service/service_settings.py": ("unit/simulator/control/test_control_routes.py",),
}
"""By module, or by folder with a slash at its end: the test files that test it, below ``tests/``."""

OF_NO_SINGLE_MODULE = {
    "batches/collection/test_faults.py": "the failures of the whole room, on a storage that fails",
    "batches/rows/arrow/test_frames_of_pandas.py": "frames of pandas and polars, where these are installed",
    "batches/requests/test_values_of_pandas.py": "exact values and printing, where numpy and pandas are installed",
    "batches/test_memory.py": "the memory that sealing and collecting take together",
    "demo/test_demo.py": "demo/, which is not in the package",
    "test_constants.py": "docs/constants.md",
    "test_docs.py": "the pages of docs/",
    "test_import_cost.py": "the modules that an import loads",
    "test_mirror.py": "the places of the tests",
    "test_parameters_table.py": "the docstrings of all public classes, and tools/ that turns them into tables",
    "test_public_modules.py": "the list of public modules and names",
    "tools/test_prompt_cache_tables.py": "tools/prompt_cache_tables.py, which is not in the package",
    "tools/test_prose.py": "tools/prose.py, which is not in the package",
    "tools/test_side_by_side.py": "tools/side_by_side.py, which is not in the package",
}

MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
UNIT_TESTS = sorted(path.relative_to(TESTS / "unit").as_posix() for path in (TESTS / "unit").rglob("test_*.py"))


def mirror_of(module: str) -> str:
    path = Path(module)
    return path.with_name(f"test_{path.name}").as_posix()


NOT_MIRRORED = [module for module in MODULES if mirror_of(module) not in UNIT_TESTS]


def test_each_module_without_a_file_of_its_own_has_one_entry() -> None:
    entries = {module: [place for place in WHERE if _covers(place, module)] for module in NOT_MIRRORED}
    assert {module: places for module, places in entries.items() if len(places) != 1} == {}


def test_no_entry_is_superfluous() -> None:
    assert [place for place in WHERE if not any(_covers(place, module) for module in NOT_MIRRORED)] == []


def test_each_entry_names_files_that_exist() -> None:
    assert [place for place, names in WHERE.items() if not names or len(names) != len(set(names))] == []
    assert [name for names in WHERE.values() for name in names if not (TESTS / name).is_file()] == []


def test_every_unit_test_mirrors_a_module_or_says_why_not() -> None:
    mirrors = {mirror_of(module) for module in MODULES}
    assert [name for name in UNIT_TESTS if name not in mirrors] == sorted(OF_NO_SINGLE_MODULE)


def _covers(place: str, module: str) -> bool:
    return module == place or (place.endswith("/") and module.startswith(place))
