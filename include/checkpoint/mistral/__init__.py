"""Convert Mistral's own checkpoint layout to the Hugging Face layout."""
