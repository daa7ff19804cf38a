"""What every request passes before a route is looked up: Host, origin, token, body and a free slot."""
