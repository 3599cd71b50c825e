"""Ground floor: errors, specs, registry, files, images, device, cache; imports no other room."""
