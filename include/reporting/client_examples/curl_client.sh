arn=arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl
curl --silent --show-error --fail-with-body \
  --aws-sigv4 aws:amz:us-east-1:bedrock --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \
  ${AWS_SESSION_TOKEN:+--header "x-amz-security-token: $AWS_SESSION_TOKEN"} \
  --retry 30 --retry-delay 5 --header "content-type: application/json" \
  --data '{"prompt": "[INST] What is the capital of Kenya? [/INST]", "max_tokens": 64, "temperature": 0}' \
  "${AWS_ENDPOINT_URL:-https://bedrock-runtime.us-east-1.amazonaws.com}/model/$(printf %s "$arn" | sed 's/:/%3A/g; s,/,%2F,g')/invoke"
