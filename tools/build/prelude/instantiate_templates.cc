// A plugin of GCC that makes precompiled headers cheaper for the sources that use them.
//
// Inline functions of headers call function templates, which GCC instantiates at the end of a
// source. It writes a precompiled header before that point, so each source that uses the header
// instantiates all of them again: 7,849 functions and 2 s for LibTorch's modules, whether the
// source needs them or not. With the plugin GCC does it once, when it has parsed the type
// EndOfPrecompiledHeader, the last of a precompiled header (instantiate_templates.h). Clang has an
// option for the same, -fpch-instantiate-templates.
//
// What is compiled does not change: an instantiated inline function is emitted only where it is
// used, as before. The plugin takes part in precompiling alone, not in compiling sources.
//
// Interface: "Plugins" in "GNU Compiler Collection Internals".

#include "gcc-plugin.h"
#include "plugin-version.h"
// GCC's headers depend on their order, so this one is not sorted before those above.
#include "cp/cp-tree.h"

// GCC loads no plugin without it.
int plugin_is_GPL_compatible;

namespace {

bool IsTypeNamed(const_tree node, const char* name) {
  if (node == NULL_TREE || !TYPE_P(node)) return false;
  const_tree identifier = TYPE_IDENTIFIER(node);
  return identifier != NULL_TREE && strcmp(IDENTIFIER_POINTER(identifier), name) == 0;
}

// Called with each type that GCC has parsed, and with templates of types.
void FinishType(void* node, void*) {
  if (!IsTypeNamed(static_cast<const_tree>(node), "EndOfPrecompiledHeader")) return;
  instantiate_pending_templates(/*retries=*/0);
}

}  // namespace

// With a compiler of another version than the headers the plugin does nothing, and sources take
// longer.
int plugin_init(plugin_name_args* plugin, plugin_gcc_version* compiler) {
  if (plugin_default_version_check(compiler, &gcc_version)) {
    register_callback(plugin->base_name, PLUGIN_FINISH_TYPE, FinishType, nullptr);
  }
  return 0;
}
