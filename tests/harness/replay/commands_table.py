"""Each kind of command as a history holds it and as code issues it, with what it tells.

The printed messages are what the real server and the SDK write, as test_semantic.py sees them.
"""

from harness.replay.commands import Command
from harness.replay.issued import OWN_QUEUE

TIMEOUTS = """
    schedule_to_close_timeout { seconds: 90 } schedule_to_start_timeout { seconds: 20 }
    start_to_close_timeout { seconds: 30 nanos: 500000000 } heartbeat_timeout { seconds: 3 }
"""
RETRIES = """
    retry_policy {
        initial_interval { seconds: 2 } backoff_coefficient: 3 maximum_interval { seconds: 50 }
        maximum_attempts: 4 non_retryable_error_types: "Declined"
    }
"""
RETRIED = {
    "initial_interval": 2.0,
    "backoff_coefficient": 3.0,
    "maximum_interval": 50.0,
    "maximum_attempts": 4,
    "non_retryable_error_types": ["Declined"],
}
UNTOLD_RETRIES = {
    "initial_interval": 1.0,
    "backoff_coefficient": 2.0,
    "maximum_interval": 100.0,
    "maximum_attempts": 0,
    "non_retryable_error_types": [],
}
FAILURE = 'failure { message: "no stock" stack_trace: "at 1" application_failure_info { type: "OutOfStock" } }'
FAILED = {
    "message": "no stock",
    "kind": "application_failure",
    "type": "OutOfStock",
    "non_retryable": False,
    "details": [],
    "next_retry_delay": 0.0,
}
WORKFLOW_TIMEOUTS = "workflow_run_timeout { seconds: 60 } workflow_task_timeout { seconds: 8 }"
CHILD_OPTIONS = f"""
    workflow_execution_timeout {{ seconds: 600 }} {WORKFLOW_TIMEOUTS} cron_schedule: "@daily" {RETRIES}
    search_attributes {{ indexed_fields {{ key: "Domain" value <"orders"> }} }}
    priority {{ priority_key: 2 fairness_key: "small" fairness_weight: 1.5 }}
"""
NEXUS_TIMEOUTS = """
    schedule_to_close_timeout { seconds: 90 } schedule_to_start_timeout { seconds: 20 }
    start_to_close_timeout { seconds: 30 nanos: 500000000 }
"""
PRIORITY = {"key": 2, "fairness_key": "small", "fairness_weight": 1.5}
NO_PRIORITY = {"key": 0, "fairness_key": "", "fairness_weight": 0.0}

ACTIVITY = Command(
    kind="activity",
    name="charge",
    key="a-1",
    fields={
        "type": "charge",
        "arguments": [{"amount": 12}, "b"],
        "task_queue": OWN_QUEUE,
        "schedule_to_close": 90.0,
        "schedule_to_start": 20.0,
        "start_to_close": 30.5,
        "heartbeat": 3.0,
        "retry_policy": RETRIED,
        "priority": PRIORITY,
    },
)
BARE_ACTIVITY = Command(
    kind="activity",
    name="charge",
    key="a-2",
    fields={
        "type": "charge",
        "arguments": [],
        "task_queue": "theirs",
        "schedule_to_close": 0.0,
        "schedule_to_start": 0.0,
        "start_to_close": 0.0,
        "heartbeat": 0.0,
        "retry_policy": UNTOLD_RETRIES,
        "priority": NO_PRIORITY,
    },
)
CHILD = Command(
    kind="child workflow",
    name="Child order-1-child",
    key="1",
    fields={
        "id": "order-1-child",
        "type": "Child",
        "arguments": ["one"],
        "task_queue": OWN_QUEUE,
        "execution_timeout": 600.0,
        "run_timeout": 60.0,
        "task_timeout": 8.0,
        "parent_close_policy": 2,
        "id_reuse_policy": 3,
        "retry_policy": RETRIED,
        "cron_schedule": "@daily",
        "memo": {"note": 1},
        "search_attributes": {"Domain": "orders"},
        "priority": PRIORITY,
    },
)
BARE_CHILD = Command(
    kind="child workflow",
    name="Child c",
    key="1",
    fields={
        "id": "c",
        "type": "Child",
        "arguments": [],
        "task_queue": "theirs",
        "execution_timeout": 0.0,
        "run_timeout": 0.0,
        "task_timeout": 0.0,
        "parent_close_policy": 0,
        "id_reuse_policy": 0,
        "retry_policy": None,
        "cron_schedule": "",
        "memo": {},
        "search_attributes": {},
        "priority": NO_PRIORITY,
    },
)
NEXUS = Command(
    kind="Nexus operation",
    name="Bank.pay",
    key="1",
    fields={
        "endpoint": "money",
        "service": "Bank",
        "operation": "pay",
        "input": {"amount": 12},
        "schedule_to_close": 90.0,
        "schedule_to_start": 20.0,
        "start_to_close": 30.5,
    },
)
BARE_NEXUS = Command(
    kind="Nexus operation",
    name="Bank.pay",
    key="1",
    fields={
        "endpoint": "money",
        "service": "Bank",
        "operation": "pay",
        "input": None,
        "schedule_to_close": 0.0,
        "schedule_to_start": 0.0,
        "start_to_close": 0.0,
    },
)
SIGNAL = Command(
    kind="signal", name="go to other", key="1", fields={"to": "other", "signal": "go", "arguments": [1, 2]}
)
CONTINUED = Command(
    kind="continue as new",
    key="1",
    fields={
        "type": "Story",
        "arguments": ["next"],
        "task_queue": OWN_QUEUE,
        "run_timeout": 60.0,
        "task_timeout": 8.0,
        "memo": {"note": 1},
        "search_attributes": {"Domain": "orders"},
    },
)

HELD: list[tuple[str, Command]] = [
    (
        f"""activity_task_scheduled_event_attributes {{
            activity_id: "a-1" activity_type {{ name: "charge" }} task_queue {{ name: "mine" }}
            input {{ payloads <{{"amount": 12}}> payloads <"b"> }} {TIMEOUTS} {RETRIES}
            priority {{ priority_key: 2 fairness_key: "small" fairness_weight: 1.5 }}
        }}""",
        ACTIVITY,
    ),
    (
        """activity_task_scheduled_event_attributes {
            activity_id: "a-2" activity_type { name: "charge" } task_queue { name: "theirs" }
        }""",
        BARE_ACTIVITY,
    ),
    (
        'timer_started_event_attributes { timer_id: "7" start_to_fire_timeout { seconds: 5 nanos: 250000000 } }',
        Command(kind="timer", key="7", fields={"duration": 5.25}),
    ),
    (
        f"""start_child_workflow_execution_initiated_event_attributes {{
            workflow_id: "order-1-child" workflow_type {{ name: "Child" }} task_queue {{ name: "mine" }}
            input {{ payloads <"one"> }} memo {{ fields {{ key: "note" value <1> }} }}
            parent_close_policy: PARENT_CLOSE_POLICY_ABANDON
            workflow_id_reuse_policy: WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE {CHILD_OPTIONS}
        }}""",
        CHILD,
    ),
    (
        """start_child_workflow_execution_initiated_event_attributes {
            workflow_id: "c" workflow_type { name: "Child" } task_queue { name: "theirs" }
        }""",
        BARE_CHILD,
    ),
    (
        """signal_external_workflow_execution_initiated_event_attributes {
            workflow_execution { workflow_id: "other" } signal_name: "go" input { payloads <1> payloads <2> }
        }""",
        SIGNAL,
    ),
    (
        """request_cancel_external_workflow_execution_initiated_event_attributes {
            workflow_execution { workflow_id: "other" }
        }""",
        Command(kind="cancel request", name="other", key="1", fields={"to": "other"}),
    ),
    (
        """request_cancel_external_workflow_execution_initiated_event_attributes {
            workflow_execution { workflow_id: "order-1-child" } child_workflow_only: true
        }""",
        Command(kind="child cancellation", key="order-1-child", fields={}),
    ),
    (
        f"""nexus_operation_scheduled_event_attributes {{
            endpoint: "money" service: "Bank" operation: "pay" input <{{"amount": 12}}> {NEXUS_TIMEOUTS}
        }}""",
        NEXUS,
    ),
    (
        'nexus_operation_scheduled_event_attributes { endpoint: "money" service: "Bank" operation: "pay" }',
        BARE_NEXUS,
    ),
    (
        f"""workflow_execution_continued_as_new_event_attributes {{
            workflow_type {{ name: "Story" }} task_queue {{ name: "mine" }} input {{ payloads <"next"> }}
            memo {{ fields {{ key: "note" value <1> }} }} {WORKFLOW_TIMEOUTS}
            search_attributes {{ indexed_fields {{ key: "Domain" value <"orders"> }} }}
        }}""",
        CONTINUED,
    ),
    (
        "workflow_execution_completed_event_attributes { result { payloads <[1, 2]> } }",
        Command(kind="completion", key="1", fields={"result": [1, 2]}),
    ),
    (
        "workflow_execution_completed_event_attributes { }",
        Command(kind="completion", key="1", fields={"result": None}),
    ),
    (f"workflow_execution_failed_event_attributes {{ {FAILURE} }}", Command(kind="failure", key="1", fields=FAILED)),
    ("workflow_execution_canceled_event_attributes { }", Command(kind="cancellation", key="1", fields={})),
    (
        """upsert_workflow_search_attributes_event_attributes {
            search_attributes { indexed_fields { key: "Paused" value <true> } }
        }""",
        Command(kind="search attributes", key="1", fields={"Paused": True}),
    ),
    (
        """workflow_properties_modified_event_attributes {
            upserted_memo { fields { key: "note" value <"kept"> } }
        }""",
        Command(kind="memo", key="1", fields={"note": "kept"}),
    ),
    (
        """workflow_execution_update_accepted_event_attributes {
            protocol_instance_id: "u-1" accepted_request { input { name: "approve" } }
        }""",
        Command(kind="update acceptance", name="approve", key="u-1", fields={}),
    ),
    (
        """workflow_execution_update_completed_event_attributes {
            meta { update_id: "u-0" } accepted_event_id: 1 outcome { success { payloads <"yes"> } }
        }""",
        Command(kind="update result", key="u-0", fields={"result": "yes"}),
    ),
    (
        """workflow_execution_update_completed_event_attributes {
            meta { update_id: "u-0" } outcome { success { } }
        }""",
        Command(kind="update result", key="u-0", fields={"result": None}),
    ),
    (
        f"""workflow_execution_update_completed_event_attributes {{
            meta {{ update_id: "u-0" }} outcome {{ {FAILURE} }}
        }}""",
        Command(kind="update result", key="u-0", fields={"failure": FAILED}),
    ),
]
"""Events of a history, each with what it records."""

SAID: list[tuple[str, Command]] = [
    (
        f"""schedule_activity {{
            seq: 9 activity_id: "a-1" activity_type: "charge" task_queue: "mine"
            arguments <{{"amount": 12}}> arguments <"b"> {TIMEOUTS} {RETRIES}
            priority {{ priority_key: 2 fairness_key: "small" fairness_weight: 1.5 }}
        }}""",
        ACTIVITY,
    ),
    (
        'schedule_activity { seq: 9 activity_id: "a-2" activity_type: "charge" task_queue: "theirs" }',
        BARE_ACTIVITY,
    ),
    (
        "start_timer { seq: 7 start_to_fire_timeout { seconds: 5 nanos: 250000000 } }",
        Command(kind="timer", key="7", fields={"duration": 5.25}),
    ),
    (
        f"""start_child_workflow_execution {{
            seq: 9 workflow_id: "order-1-child" workflow_type: "Child" task_queue: "mine"
            input <"one"> memo {{ key: "note" value <1> }}
            parent_close_policy: PARENT_CLOSE_POLICY_ABANDON
            workflow_id_reuse_policy: WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE {CHILD_OPTIONS}
        }}""",
        CHILD,
    ),
    (
        'start_child_workflow_execution { seq: 9 workflow_id: "c" workflow_type: "Child" task_queue: "theirs" }',
        BARE_CHILD,
    ),
    (
        """signal_external_workflow_execution {
            seq: 9 workflow_execution { workflow_id: "other" } signal_name: "go" args <1> args <2>
        }""",
        SIGNAL,
    ),
    (
        'signal_external_workflow_execution { seq: 9 child_workflow_id: "other" signal_name: "go" args <1> args <2> }',
        SIGNAL,
    ),
    (
        'request_cancel_external_workflow_execution { seq: 9 workflow_execution { workflow_id: "other" } }',
        Command(kind="cancel request", name="other", key="1", fields={"to": "other"}),
    ),
    (
        f"""schedule_nexus_operation {{
            seq: 9 endpoint: "money" service: "Bank" operation: "pay" input <{{"amount": 12}}> {NEXUS_TIMEOUTS}
        }}""",
        NEXUS,
    ),
    ('schedule_nexus_operation { seq: 9 endpoint: "money" service: "Bank" operation: "pay" }', BARE_NEXUS),
    (
        f"""continue_as_new_workflow_execution {{
            workflow_type: "Story" task_queue: "mine" arguments <"next"> memo {{ key: "note" value <1> }}
            {WORKFLOW_TIMEOUTS} search_attributes {{ indexed_fields {{ key: "Domain" value <"orders"> }} }}
        }}""",
        CONTINUED,
    ),
    (
        "complete_workflow_execution { result <[1, 2]> }",
        Command(kind="completion", key="1", fields={"result": [1, 2]}),
    ),
    ("complete_workflow_execution { }", Command(kind="completion", key="1", fields={"result": None})),
    (f"fail_workflow_execution {{ {FAILURE} }}", Command(kind="failure", key="1", fields=FAILED)),
    ("cancel_workflow_execution { }", Command(kind="cancellation", key="1", fields={})),
    (
        """upsert_workflow_search_attributes {
            search_attributes { indexed_fields { key: "Paused" value <true> } }
        }""",
        Command(kind="search attributes", key="1", fields={"Paused": True}),
    ),
    (
        'modify_workflow_properties { upserted_memo { fields { key: "note" value <"kept"> } } }',
        Command(kind="memo", key="1", fields={"note": "kept"}),
    ),
    (
        'update_response { protocol_instance_id: "u-1" accepted { } }',
        Command(kind="update acceptance", key="u-1", fields={}),
    ),
    (
        'update_response { protocol_instance_id: "u-0" completed <"yes"> }',
        Command(kind="update result", key="u-0", fields={"result": "yes"}),
    ),
    (
        f'update_response {{ protocol_instance_id: "u-0" {FAILURE.replace("failure", "rejected", 1)} }}',
        Command(kind="update result", key="u-0", fields={"failure": FAILED}),
    ),
]
"""Commands of the SDK, each with what it asks for."""
