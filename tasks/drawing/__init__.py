"""How is what was found drawn for people? Pure: numbers in, HTML and SVG out, and nothing is fetched."""
