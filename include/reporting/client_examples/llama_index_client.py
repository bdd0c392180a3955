from llama_index.llms.bedrock_converse import BedrockConverse

llm = BedrockConverse(
    model="meta.llama3-8b-instruct-v1:0",
    application_inference_profile_arn="arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl",
    region_name="us-east-1",
    max_tokens=64,
    temperature=0,
)
print(llm.complete("What is the capital of Kenya?").text)
