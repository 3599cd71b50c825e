"""Ground floor: errors, specs, registry, parameters, files, images, device, cache. It imports no other room."""
