// The end of each precompiled header, where the plugin instantiate_templates.cc instantiates what
// GCC has left for the end of a source.

struct EndOfPrecompiledHeader {};
