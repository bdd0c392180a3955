import json
import time

import boto3
from botocore.config import Config


def ask(model_arn, body, seconds=600):
    """Return the model's answer. A model that was idle is cold: ask again, for so many seconds at most."""
    config = Config(read_timeout=300, retries={"total_max_attempts": 1})
    runtime = boto3.client("bedrock-runtime", region_name=model_arn.split(":")[3], config=config)
    passing = (
        "ModelNotReadyException",
        "ThrottlingException",
        "ServiceUnavailableException",
        "InternalServerException",
    )
    deadline = time.monotonic() + seconds
    while True:
        try:
            return json.load(runtime.invoke_model(modelId=model_arn, body=json.dumps(body))["body"])
        except runtime.exceptions.ClientError as error:
            if error.response["Error"]["Code"] not in passing or time.monotonic() > deadline:
                raise
            time.sleep(2)


answer = ask(
    "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl",
    {"prompt": "[INST] What is the capital of Kenya? [/INST]", "max_tokens": 64, "temperature": 0},
)
print(answer["choices"][0]["text"])
