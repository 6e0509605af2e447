#include "rcnn/data/testing/utf16.h"

namespace rcnn::data {

std::string Utf16(absl::string_view latin1, const Utf16Options& options) {
  std::string bytes;
  const auto append = [&](char high, char low) {
    bytes += options.big_endian ? std::string{high, low} : std::string{low, high};
  };
  if (options.has_mark) append('\xfe', '\xff');
  for (const char c : latin1) append('\0', c);
  return bytes;
}

}  // namespace rcnn::data
