// Any bytes as a list of images, in any encoding: a list contains what it names.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "rcnn/data/core/image_list.h"
#include "rcnn/data/core/text_encoding.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  rcnn::data::DecodeText(bytes, "GB18030").status().IgnoreError();
  const auto text = rcnn::data::ToUtf8(bytes);
  if (!text.ok()) return 0;
  const auto list = rcnn::data::ImageList::Parse(*text);
  for (const std::string& name : list.names()) {
    if (!list.Contains(name)) std::abort();
  }
  return 0;
}
