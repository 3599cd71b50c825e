"""One drawing function per thing, in files by kind of thing. All sizes are metres, all colours sRGB."""
