import { BedrockRuntimeClient, InvokeModelCommand } from "@aws-sdk/client-bedrock-runtime";
import { NodeHttpHandler } from "@smithy/node-http-handler";

const client = new BedrockRuntimeClient({ region: "us-east-1", requestHandler: new NodeHttpHandler(), maxAttempts: 30 });
const answer = await client.send(
  new InvokeModelCommand({
    modelId: "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdefghijkl",
    body: JSON.stringify({ prompt: "[INST] What is the capital of Kenya? [/INST]", max_tokens: 64, temperature: 0 }),
  }),
);
console.log(JSON.parse(answer.body.transformToString()).choices[0].text);
