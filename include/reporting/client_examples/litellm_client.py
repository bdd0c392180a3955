import litellm

answer = litellm.completion(
    model="bedrock/llama/arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl",
    messages=[{"role": "user", "content": "What is the capital of Kenya?"}],
    max_tokens=64,
    temperature=0,
)
print(answer.choices[0].message.content)
