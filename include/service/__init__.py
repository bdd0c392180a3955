"""Dated facts about Amazon Bedrock: limits, regions and prices."""
