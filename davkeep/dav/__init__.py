"""The WsgiDAV door: request handling, provider and resources, listing."""
