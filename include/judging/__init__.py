"""Have a language model compare a version's answers with the champion's."""
