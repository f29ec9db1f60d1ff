"""The addresses of the studio: each file holds those of one noun, thin over the modules beside this package."""
