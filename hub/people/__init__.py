"""People who are watched over, by consent and under a pseudonym: register, cases, views, 安否."""
