// A plugin of GCC that makes precompiled headers cheaper for the sources that use them.
//
// Inline functions of headers call function templates, which GCC instantiates at the end of a
// source. It writes a precompiled header before that point, so each source that uses the header
// instantiates all of them again: 7,849 functions and 2 s for LibTorch's modules, whether the
// source needs them or not. `#pragma rcnn instantiate_templates`, the last line of a precompiled
// header (instantiate_templates.h), does it once. Clang has an option for the same,
// -fpch-instantiate-templates.
//
// What is compiled does not change: an instantiated inline function is emitted only where it is
// used, as before. The plugin takes part in precompiling alone, not in compiling sources.
//
// Interface: "Plugins" in "GNU Compiler Collection Internals".

#include "gcc-plugin.h"
#include "plugin-version.h"
// GCC's headers depend on their order.
#include "cp/cp-tree.h"
// Another block, so that it is not sorted before the one above.
#include "c-family/c-pragma.h"

// GCC loads no plugin without it.
int plugin_is_GPL_compatible;

namespace {

// Not at the end of the source yet, so there are no retries to count.
void InstantiateTemplates(cpp_reader*) { instantiate_pending_templates(/*retries=*/0); }

void RegisterPragma(void*, void*) {
  c_register_pragma("rcnn", "instantiate_templates", InstantiateTemplates);
}

}  // namespace

// A compiler of another version than the headers ignores the pragma: sources then take longer.
int plugin_init(plugin_name_args* plugin, plugin_gcc_version* compiler) {
  if (plugin_default_version_check(compiler, &gcc_version)) {
    register_callback(plugin->base_name, PLUGIN_PRAGMAS, RegisterPragma, nullptr);
  }
  return 0;
}
