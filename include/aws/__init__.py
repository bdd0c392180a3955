"""How the project calls AWS; the CloudFormation templates of its set-up are beside the code."""
