// Any bytes as a list of ImageSets/Main: at most one name a line.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "rcnn/data/voc/voc_split.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto lines =
      std::count_if(bytes.begin(), bytes.end(), [](char c) { return c == '\n' || c == '\r'; });
  for (const std::vector<std::string>& names :
       {rcnn::data::ParseVocSplit(bytes),
        rcnn::data::ParseVocSplit(bytes, [](const std::string& name) { return name < "m"; })}) {
    if (static_cast<std::ptrdiff_t>(names.size()) > lines + 1) std::abort();
    for (const std::string& name : names) {
      if (name.find_first_of("\r\n") != std::string::npos || name.size() > size) std::abort();
    }
  }
  return 0;
}
