from langchain_aws import ChatBedrock

model = ChatBedrock(
    model_id="arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl",
    provider="openai",
    region_name="us-east-1",
    model_kwargs={"max_tokens": 64, "temperature": 0},
)
print(model.invoke("What is the capital of Kenya?").content)
