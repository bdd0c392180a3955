from strands import Agent
from strands.models import BedrockModel

model = BedrockModel(
    model_id="arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl",
    region_name="us-east-1",
    max_tokens=64,
    temperature=0,
)
print(Agent(model=model, callback_handler=None)("What is the capital of Kenya?"))
