#include "rcnn/data/testing/exif_file.h"

#include <cstddef>
#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "rcnn/data/image/image_header.h"

namespace rcnn::data {
namespace {

std::string Number(uint64_t value, int bytes, bool big_endian) {
  std::string text;
  for (int i = 0; i < bytes; ++i) {
    const int shift = 8 * (big_endian ? bytes - 1 - i : i);
    text.push_back(static_cast<char>(value >> shift & 0xff));
  }
  return text;
}

// ISO 3309, as in annex D of PNG.
uint32_t Crc(absl::string_view bytes) {
  uint32_t crc = 0xffffffff;
  for (const char c : bytes) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320 : 0);
  }
  return ~crc;
}

std::string PngChunk(absl::string_view type, absl::string_view content) {
  const std::string body = absl::StrCat(type, content);
  return absl::StrCat(Number(content.size(), 4, true), body, Number(Crc(body), 4, true));
}

std::string WebpChunk(absl::string_view type, absl::string_view content) {
  return absl::StrCat(type, Number(content.size(), 4, false), content,
                      content.size() % 2 == 1 ? std::string(1, '\0') : "");
}

std::string JpegWithExif(absl::string_view file, absl::string_view tiff) {
  const std::string content = absl::StrCat(absl::string_view("Exif\0\0", 6), tiff);
  return absl::StrCat(file.substr(0, 2), "\xff\xe1", Number(content.size() + 2, 2, true), content,
                      file.substr(2));
}

std::string WebpWithExif(absl::string_view file, absl::string_view tiff) {
  const ImageHeader header = ParseImageHeader(file).value();
  constexpr uint64_t kHasExif = 0x08;
  const std::string extended = absl::StrCat(
      Number(kHasExif, 4, false), Number(static_cast<uint64_t>(header.width - 1), 3, false),
      Number(static_cast<uint64_t>(header.height - 1), 3, false));
  const std::string content =
      absl::StrCat("WEBP", WebpChunk("VP8X", extended), file.substr(12), WebpChunk("EXIF", tiff));
  return absl::StrCat("RIFF", Number(content.size(), 4, false), content);
}

}  // namespace

std::string OrientationTiff(int orientation, bool big_endian) {
  const auto number = [&](uint64_t value, int bytes) { return Number(value, bytes, big_endian); };
  constexpr int kShort = 3;
  return absl::StrCat(big_endian ? "MM" : "II", number(42, 2), number(8, 4),  // the first IFD
                      number(1, 2), number(0x0112, 2), number(kShort, 2), number(1, 4),
                      number(static_cast<uint64_t>(orientation), 2), number(0, 2), number(0, 4));
}

std::string WithExif(absl::string_view file, absl::string_view tiff) {
  if (absl::StartsWith(file, "\xff\xd8")) return JpegWithExif(file, tiff);
  if (absl::StartsWith(file, "RIFF")) return WebpWithExif(file, tiff);
  constexpr size_t kEndOfHeader = 8 + 25;  // the signature, IHDR
  return absl::StrCat(file.substr(0, kEndOfHeader), PngChunk("eXIf", tiff),
                      file.substr(kEndOfHeader));
}

std::string PngWithExifBehindPixels(absl::string_view file, absl::string_view tiff) {
  constexpr size_t kEndChunk = 12;
  CHECK_GT(file.size(), kEndChunk);
  return absl::StrCat(file.substr(0, file.size() - kEndChunk), PngChunk("eXIf", tiff),
                      file.substr(file.size() - kEndChunk));
}

}  // namespace rcnn::data
