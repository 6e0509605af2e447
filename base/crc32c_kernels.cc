#include "rcnn/base/crc32c_kernels.h"

#include <cstddef>
#include <cstdlib>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace rcnn {

#if defined(__x86_64__)

bool HasCrc32cInstruction() { return __builtin_cpu_supports("sse4.2"); }

__attribute__((target("sse4.2"))) uint32_t Crc32cByInstruction(absl::string_view bytes,
                                                               uint32_t crc) {
  uint64_t state = ~crc;
  const char* p = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; p += 8, left -= 8) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    state = _mm_crc32_u64(state, word);
  }
  for (; left > 0; ++p, --left) {
    state = _mm_crc32_u8(static_cast<uint32_t>(state), static_cast<unsigned char>(*p));
  }
  return ~static_cast<uint32_t>(state);
}

#else

bool HasCrc32cInstruction() { return false; }

uint32_t Crc32cByInstruction(absl::string_view, uint32_t) { std::abort(); }

#endif

}  // namespace rcnn
