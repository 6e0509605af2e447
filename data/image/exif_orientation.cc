#include "rcnn/data/image/exif_orientation.h"

#include <libexif/exif-data.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/image/tiff_decoder.h"

namespace rcnn::data {
namespace {

constexpr absl::string_view kExifPrefix("Exif\0\0", 6);
// Bytes at the end of a PNG that are searched for EXIF data after the pixels.
constexpr size_t kTailBytes = size_t{64} << 10;
// More than any camera writes. Keeps libexif from copying a gigabyte of a hostile file.
constexpr size_t kMaxExifBytes = size_t{4} << 20;

uint8_t At(absl::string_view bytes, size_t i) { return static_cast<uint8_t>(bytes[i]); }

size_t Big16(absl::string_view bytes, size_t i) {
  return static_cast<size_t>(At(bytes, i)) << 8 | At(bytes, i + 1);
}

size_t Big32(absl::string_view bytes, size_t i) {
  return Big16(bytes, i) << 16 | Big16(bytes, i + 2);
}

size_t Little32(absl::string_view bytes, size_t i) {
  return static_cast<size_t>(At(bytes, i)) | static_cast<size_t>(At(bytes, i + 1)) << 8 |
         static_cast<size_t>(At(bytes, i + 2)) << 16 | static_cast<size_t>(At(bytes, i + 3)) << 24;
}

// The EXIF data of each kind of file, beginning with the TIFF header; "" if it has none.

absl::string_view FindInJpeg(absl::string_view bytes) {
  size_t position = 2;
  while (position + 4 <= bytes.size() && At(bytes, position) == 0xff) {
    const uint8_t marker = At(bytes, position + 1);
    if (marker == 0xff) {  // a fill byte
      ++position;
      continue;
    }
    if (marker == 0xda || marker == 0xd9) break;  // a scan, the end
    const size_t length = Big16(bytes, position + 2);
    if (length < 2 || length > bytes.size() - position - 2) break;
    const absl::string_view content = bytes.substr(position + 4, length - 2);
    if (marker == 0xe1 && absl::StartsWith(content, kExifPrefix)) {
      return content.substr(kExifPrefix.size());
    }
    position += 2 + length;
  }
  return "";
}

// The chunks from `position` up to the pixels.
absl::string_view FindInPngChunks(absl::string_view bytes, size_t position) {
  while (position <= bytes.size() && bytes.size() - position >= 12) {
    const size_t length = Big32(bytes, position);
    const absl::string_view type = bytes.substr(position + 4, 4);
    if (type == "IDAT" || type == "IEND" || length > bytes.size() - position - 12) break;
    if (type == "eXIf") return bytes.substr(position + 8, length);
    position += 12 + length;
  }
  return "";
}

// A PNG's pixels may be in thousands of chunks, so the chunks after them are found from the
// end: bytes that look like a chunk are one if chunks follow each other up to the last byte.
absl::string_view FindInPngTail(absl::string_view bytes) {
  const size_t first = bytes.size() - std::min(bytes.size(), kTailBytes);
  for (size_t at = bytes.find("eXIf", first); at != bytes.npos; at = bytes.find("eXIf", at + 1)) {
    if (at < first + 4) continue;
    const absl::string_view found = FindInPngChunks(bytes, at - 4);
    const size_t end = at + 4 + found.size() + 4;
    if (!found.empty() && bytes.size() - end >= 12 &&
        Big32(bytes, end) <= bytes.size() - end - 12) {
      return found;
    }
  }
  return "";
}

absl::string_view FindInPng(absl::string_view bytes) {
  const absl::string_view found = FindInPngChunks(bytes, 8);
  return found.empty() ? FindInPngTail(bytes) : found;
}

absl::string_view FindInWebp(absl::string_view bytes) {
  size_t position = 12;
  while (position <= bytes.size() && bytes.size() - position >= 8) {
    const size_t length = Little32(bytes, position + 4);
    if (length > bytes.size() - position - 8) break;
    if (bytes.substr(position, 4) == "EXIF") {
      // The standard starts with the TIFF header; some programs write JPEG's prefix.
      return absl::StripPrefix(bytes.substr(position + 8, length), kExifPrefix);
    }
    position += 8 + length + (length & 1);
  }
  return "";
}

absl::string_view FindExif(absl::string_view bytes) {
  if (absl::StartsWith(bytes, "\xff\xd8\xff")) return FindInJpeg(bytes);
  if (absl::StartsWith(bytes, "\x89PNG\r\n\x1a\n")) return FindInPng(bytes);
  if (absl::StartsWith(bytes, "RIFF") && bytes.size() >= 16 && bytes.substr(8, 4) == "WEBP") {
    return FindInWebp(bytes);
  }
  return "";
}

struct UnrefExifData {
  void operator()(ExifData* data) const { exif_data_unref(data); }
};

// 0 if there is none.
int64_t OrientationValue(absl::string_view exif) {
  const std::string text = absl::StrCat(kExifPrefix, exif);
  const std::unique_ptr<ExifData, UnrefExifData> data(exif_data_new());
  if (data == nullptr) return 0;
  // libexif must not correct or add anything.
  exif_data_unset_option(data.get(), EXIF_DATA_OPTION_FOLLOW_SPECIFICATION);
  exif_data_load_data(data.get(), reinterpret_cast<const unsigned char*>(text.data()),
                      static_cast<unsigned int>(text.size()));
  const ExifEntry* entry = exif_content_get_entry(data->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
  if (entry == nullptr || entry->components < 1) return 0;
  const ExifByteOrder order = exif_data_get_byte_order(data.get());
  if (entry->format == EXIF_FORMAT_SHORT && entry->size >= 2) {
    return exif_get_short(entry->data, order);
  }
  if (entry->format == EXIF_FORMAT_LONG && entry->size >= 4) {
    return exif_get_long(entry->data, order);
  }
  return 0;
}

Orientation ToOrientation(int64_t value) {
  return value >= 1 && value <= 8 ? static_cast<Orientation>(value) : Orientation::kUpright;
}

}  // namespace

Orientation ParseExifOrientation(absl::string_view bytes) {
  if (IsTiff(bytes)) return ToOrientation(ReadTiffOrientation(bytes).value_or(1));
  const absl::string_view exif = FindExif(bytes);
  if (exif.empty() || exif.size() > kMaxExifBytes) return Orientation::kUpright;
  return ToOrientation(OrientationValue(exif));
}

absl::StatusOr<Orientation> ReadExifOrientation(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  return ParseExifOrientation(file.bytes());
}

}  // namespace rcnn::data
