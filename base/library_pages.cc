#include "rcnn/base/library_pages.h"

#include <cstddef>
#include <cstdint>

// GCC defines a macro, Clang has a feature.
#if defined(__SANITIZE_ADDRESS__)
#define RCNN_ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RCNN_ADDRESS_SANITIZER
#endif
#endif

#if defined(__GLIBC__) && !defined(RCNN_ADDRESS_SANITIZER)

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace rcnn {
namespace {

// Whether relocations may have changed read-only segments, whose pages then are not the file's.
bool HasRelocatedCode(const dl_phdr_info& library) {
  for (int i = 0; i < library.dlpi_phnum; ++i) {
    if (library.dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
    const auto* entry =
        reinterpret_cast<const ElfW(Dyn)*>(library.dlpi_addr + library.dlpi_phdr[i].p_vaddr);
    for (; entry->d_tag != DT_NULL; ++entry) {
      if (entry->d_tag == DT_TEXTREL) return true;
      if (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL) != 0) return true;
    }
  }
  return false;
}

void ReleaseSegment(const dl_phdr_info& library, const ElfW(Phdr) & segment) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t begin = library.dlpi_addr + segment.p_vaddr;
  const uintptr_t first = (begin + page - 1) / page * page;
  const uintptr_t last = (begin + segment.p_filesz) / page * page;
  // It costs memory alone if this fails.
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

// The program itself, whose name is empty, and the kernel's page of code are not libraries.
bool IsLibrary(const dl_phdr_info& loaded) {
  return loaded.dlpi_name != nullptr && loaded.dlpi_name[0] == '/';
}

int ReleaseLibrary(dl_phdr_info* library, size_t, void*) {
  if (!IsLibrary(*library) || HasRelocatedCode(*library)) return 0;
  for (int i = 0; i < library->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = library->dlpi_phdr[i];
    if (segment.p_type == PT_LOAD && (segment.p_flags & PF_W) == 0) {
      ReleaseSegment(*library, segment);
    }
  }
  return 0;
}

bool KeepsPages() {
  const char* const value = std::getenv("RCNN_KEEP_LIBRARY_PAGES");
  return value != nullptr && std::strcmp(value, "1") == 0;
}

}  // namespace

void ReleaseLibraryPages() {
  if (!KeepsPages()) dl_iterate_phdr(&ReleaseLibrary, nullptr);
}

}  // namespace rcnn

#else

namespace rcnn {

void ReleaseLibraryPages() {}

}  // namespace rcnn

#endif
