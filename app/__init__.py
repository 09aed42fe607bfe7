"""Hello World: the web app that the demo deploys, on the standard library alone."""
