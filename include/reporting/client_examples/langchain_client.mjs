import { BedrockRuntimeClient } from "@aws-sdk/client-bedrock-runtime";
import { ChatBedrockConverse } from "@langchain/aws";
import { NodeHttpHandler } from "@smithy/node-http-handler";

const model = new ChatBedrockConverse({
  client: new BedrockRuntimeClient({ region: "us-east-1", requestHandler: new NodeHttpHandler() }),
  model: "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl",
  maxTokens: 64,
  temperature: 0,
});
console.log((await model.invoke("What is the capital of Kenya?")).content);
