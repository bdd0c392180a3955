"""The demo's environment: the stand-in for AWS with the deployed stack, and an Airflow that uses it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from include.demo.airflow_server import (
    AirflowApi,
    airflow_environment,
    cli_environment,
    create_database,
    start_components,
)
from include.demo.processes import LOOPBACK, ProcessGroup, free_port, inherited_environment, wait_for_line
from include.demo.shell_file import shell_file
from include.run.workspace import PROJECT_ROOT

REGION = "us-east-1"
STACK_NAME = "model-import"
IMPORT_TEMPLATE = PROJECT_ROOT / "include" / "cloudformation" / "model_import.yaml"
ALARMS_TEMPLATE = PROJECT_ROOT / "include" / "cloudformation" / "model_import_alarms.yaml"
#: How an output of the stack names the Airflow Variable that it fills.
VARIABLE = "Airflow Variable model_import_"
#: Airflow's own user: it may do what the stack's policies say and nothing else.
RUNNER = "airflow"
STAND_IN_PORT, UI_PORT = 5555, 8080
STAND_IN_TIMEOUT = 60.0
#: The root user's, on the stand-in: any key that it did not give out.
STAND_IN_KEY_ID, STAND_IN_SECRET = "testing", "testing"


#: The stand-in starts no image, and a training job must name one.
TRAINING_IMAGE = "no-image-is-started"
#: Environment variable: a folder with packages that training jobs find beside those of this environment.
PACKAGES = "QLORA_PACKAGES"


class Environment(NamedTuple):
    """Addresses, paths and credentials of the running environment."""

    folder: str
    aws_endpoint: str
    ui_url: str
    password: str
    bucket: str
    #: The folder with further packages of training jobs; empty without one.
    packages: str = ""

    @property
    def shell_file(self) -> Path:
        """Return the path of the file to source in a shell."""
        return Path(self.folder) / "env"

    @property
    def airflow(self) -> AirflowApi:
        """Return a client of Airflow's REST API."""
        return AirflowApi(self.ui_url, self.password)


def training_packages() -> str:
    """Return the folder with further packages of training jobs that the user names; empty without one."""
    named = os.environ.get(PACKAGES, "")
    return str(Path(named).resolve()) if named else ""


def aws_client(endpoint_url: str, service: str) -> Any:
    """Return a boto3 client of the stand-in."""
    import boto3

    session: Any = boto3.Session(STAND_IN_KEY_ID, STAND_IN_SECRET, region_name=REGION)
    return session.client(service, endpoint_url=endpoint_url)


def start_stand_in(group: ProcessGroup, port: int, *options: str) -> str:
    """Start the stand-in for AWS and return its address."""
    command = [sys.executable, "-m", "include.local_aws", "--host", LOOPBACK, "--port", str(port), *options]
    group.start("local-aws", command, {**inherited_environment(), "PYTHONPATH": str(PROJECT_ROOT)})
    return wait_for_line(group.log_file("local-aws"), "ready ", STAND_IN_TIMEOUT, group)


def _deploy(cloudformation: Any, name: str, template: Path, **parameters: str) -> list[dict[str, str]]:
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    cloudformation.create_stack(
        StackName=name, TemplateBody=template.read_text(), Capabilities=["CAPABILITY_IAM"], Parameters=given
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name)
    (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    outputs: list[dict[str, str]] = stack.get("Outputs", [])
    return outputs


def deploy_stacks(endpoint_url: str, user_name: str = "", **parameters: str) -> dict[str, str]:
    """Deploy the project's CloudFormation stacks; return the Airflow Variables from their outputs.

    The runner's policies are attached to the user ``user_name`` if one is given; ``parameters`` are further ones of the
    import's stack, such as ``FineTuning="true"``.
    """
    cloudformation = aws_client(endpoint_url, "cloudformation")
    outputs = _deploy(cloudformation, STACK_NAME, IMPORT_TEMPLATE, RunnerUserName=user_name, **parameters)
    values = {output["OutputKey"]: output["OutputValue"] for output in outputs}
    monitored = {name: values[name] for name in ("TopicArn", "DeadLetterQueueName", "MetricsNamespace")}
    _deploy(cloudformation, f"{STACK_NAME}-alarms", ALARMS_TEMPLATE, **monitored)
    return {
        output["Description"].removeprefix(VARIABLE): output["OutputValue"]
        for output in outputs
        if output["Description"].startswith(VARIABLE)
    }


def create_user(endpoint_url: str, user_name: str) -> tuple[str, str]:
    """Create the IAM user of Airflow's connection; return its access key id and secret."""
    iam = aws_client(endpoint_url, "iam")
    iam.create_user(UserName=user_name)
    key = iam.create_access_key(UserName=user_name)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def stand_in_variables(endpoint_url: str) -> dict[str, str]:
    """Return environment variables that point boto3 and the AWS CLI to the stand-in, as its root user."""
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": STAND_IN_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": STAND_IN_SECRET,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
    }


def aws_connection(endpoint_url: str, key_id: str, secret: str) -> dict[str, Any]:
    """Return an Airflow connection to the stand-in."""
    return {
        "conn_type": "aws",
        "login": key_id,
        "password": secret,
        "extra": {"region_name": REGION, "endpoint_url": endpoint_url},
    }


class DemoEnvironment:
    """The environment of a folder: started once, reused by later commands, stopped as a whole.

    ``settings`` are further environment variables of Airflow.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._settings = dict(settings or {})
        self.group = ProcessGroup(folder)
        self._description = folder / "environment.json"
        #: Id and secret of Airflow's access key, once it was started here.
        self.keys = ("", "")

    def running(self) -> Environment | None:
        """Return the environment if all of it is running."""
        if not self._description.exists() or len(self.group.alive()) < len(self.group.started):
            return None
        return Environment(**json.loads(self._description.read_text()))

    def start(self) -> tuple[Environment, list[str]]:
        """Start everything; return the environment, and a note for each port that was taken."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, mode=0o700)  # it holds keys, a database and logs
        (aws_port, aws_holder), (ui_port, ui_holder) = free_port(STAND_IN_PORT), free_port(UI_PORT)
        held = ((STAND_IN_PORT, aws_holder, aws_port), (UI_PORT, ui_holder, ui_port))
        notes = [f"port {wanted} is held by {holder}: using {port}" for wanted, holder, port in held if holder]
        home, packages = self.folder / "airflow", training_packages()
        with ThreadPoolExecutor(1) as beside:
            settings = inherited_environment() | cli_environment(home, ui_port, {}, {}) | self._settings
            database = beside.submit(create_database, settings)
            endpoint = start_stand_in(self.group, aws_port, *(("--training-packages", packages) if packages else ()))
            self.keys = create_user(endpoint, RUNNER)
            variables = deploy_stacks(endpoint, RUNNER, FineTuning="true") | {
                "workspace": str(self.folder / "workspace"),
                "training_image": TRAINING_IMAGE,
            }
            database.result()
        env = airflow_environment(home, ui_port, aws_connection(endpoint, *self.keys), variables) | self._settings
        password = start_components(self.group, inherited_environment() | env, ui_port)
        url = env["AIRFLOW__API__BASE_URL"]
        found = Environment(str(self.folder), endpoint, url, password, variables["bucket"], packages)
        root = aws_connection(endpoint, STAND_IN_KEY_ID, STAND_IN_SECRET)
        self._describe(found, cli_environment(home, ui_port, root, variables) | self._settings)
        return found, notes

    def _describe(self, found: Environment, cli: dict[str, str]) -> None:
        """Write the files by which a later ``make demo`` and a shell find the environment."""
        contents = {
            self._description: json.dumps(found._asdict()),
            found.shell_file: shell_file(cli | stand_in_variables(found.aws_endpoint), self._description),
        }
        for path, text in contents.items():
            path.touch(mode=0o600)
            path.write_text(text)

    def stop(self) -> list[str]:
        """Stop the started processes, and only those; return their names."""
        self._description.unlink(missing_ok=True)
        return self.group.stop()
