"""``vatel-gateway tools``: for the person who writes the endpoint behind a tool."""
