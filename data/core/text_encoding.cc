#include "rcnn/data/core/text_encoding.h"

#include <iconv.h>

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace rcnn::data {

absl::StatusOr<std::string> DecodeText(absl::string_view bytes, const std::string& encoding) {
  const iconv_t converter = iconv_open("UTF-8", encoding.c_str());
  if (converter == reinterpret_cast<iconv_t>(-1)) {
    return absl::InvalidArgumentError(absl::StrCat("unknown encoding \"", encoding, "\""));
  }
  std::string text(bytes.size() * 4, '\0');  // the most that a byte can become
  char* in = const_cast<char*>(bytes.data());
  char* out = text.data();
  size_t in_left = bytes.size();
  size_t out_left = text.size();
  const size_t result = iconv(converter, &in, &in_left, &out, &out_left);
  iconv_close(converter);
  if (result == static_cast<size_t>(-1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("byte ", bytes.size() - in_left, " is not valid ", encoding));
  }
  text.resize(text.size() - out_left);
  return text;
}

absl::StatusOr<std::string> ToUtf8(absl::string_view bytes) {
  if (absl::ConsumePrefix(&bytes, "\xef\xbb\xbf")) return std::string(bytes);
  if (absl::ConsumePrefix(&bytes, "\xff\xfe")) return DecodeText(bytes, "UTF-16LE");
  if (absl::ConsumePrefix(&bytes, "\xfe\xff")) return DecodeText(bytes, "UTF-16BE");
  if (bytes.size() >= 2 && bytes[0] != '\0' && bytes[1] == '\0') {
    return DecodeText(bytes, "UTF-16LE");
  }
  if (bytes.size() >= 2 && bytes[0] == '\0' && bytes[1] != '\0') {
    return DecodeText(bytes, "UTF-16BE");
  }
  return std::string(bytes);
}

}  // namespace rcnn::data
