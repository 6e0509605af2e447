// The end of each precompiled header: instantiates what it has left for the end of a source, if GCC
// has the plugin instantiate_templates.cc.

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#pragma rcnn instantiate_templates
#pragma GCC diagnostic pop
