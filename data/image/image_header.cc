#include "rcnn/data/image/image_header.h"

#include <cstdlib>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/git_lfs_pointer.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/image/gif_decoder.h"
#include "rcnn/data/image/tiff_decoder.h"

namespace rcnn::data {
namespace {

constexpr uint8_t kJpegEnd = 0xd9;
constexpr uint8_t kJpegStartOfScan = 0xda;

// Reads bytes by position; the caller has checked the size.
class Bytes {
 public:
  explicit Bytes(absl::string_view bytes) : bytes_(bytes) {}

  size_t size() const { return bytes_.size(); }
  bool Has(size_t position, size_t count) const {
    return position <= size() && count <= size() - position;
  }
  uint8_t At(size_t i) const { return static_cast<uint8_t>(bytes_[i]); }
  int64_t Big16(size_t i) const { return At(i) << 8 | At(i + 1); }
  int64_t Big32(size_t i) const { return Big16(i) << 16 | Big16(i + 2); }
  int64_t Little16(size_t i) const { return At(i) | At(i + 1) << 8; }
  int64_t Little24(size_t i) const { return Little16(i) | At(i + 2) << 16; }
  int64_t Little32(size_t i) const { return Little16(i) | Little16(i + 2) << 16; }
  int64_t LittleSigned32(size_t i) const { return static_cast<int32_t>(Little32(i)); }

 private:
  absl::string_view bytes_;
};

absl::Status CutOff() { return absl::InvalidArgumentError("cut off within its header"); }

// The position after the marker code at or after `position`, with the code in
// `marker`; 0 if there is none.
size_t NextMarker(const Bytes& bytes, size_t position, uint8_t& marker) {
  if (!bytes.Has(position, 2) || bytes.At(position) != 0xff) return 0;
  while (position < bytes.size() && bytes.At(position) == 0xff) ++position;
  if (position >= bytes.size()) return 0;
  marker = bytes.At(position);
  return position + 1;
}

bool IsFrameHeader(uint8_t marker) {
  return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

bool StandsAlone(uint8_t marker) { return marker == 0x01 || (marker >= 0xd0 && marker <= 0xd7); }

absl::StatusOr<ImageHeader> ParseJpeg(const Bytes& bytes) {
  size_t position = 2;
  while (true) {
    uint8_t marker = 0;
    position = NextMarker(bytes, position, marker);
    if (position == 0) return CutOff();
    if (StandsAlone(marker)) continue;
    if (marker == kJpegStartOfScan || marker == kJpegEnd) {
      return absl::InvalidArgumentError("a JPEG without a frame header");
    }
    if (!bytes.Has(position, 2)) return CutOff();
    if (IsFrameHeader(marker)) {
      if (!bytes.Has(position, 7)) return CutOff();
      return ImageHeader{ImageFormat::kJpeg, bytes.Big16(position + 5), bytes.Big16(position + 3)};
    }
    const int64_t length = bytes.Big16(position);
    if (length < 2) return absl::InvalidArgumentError("a JPEG segment of negative length");
    position += static_cast<size_t>(length);
  }
}

absl::StatusOr<ImageHeader> ParsePng(const Bytes& bytes) {
  if (!bytes.Has(0, 24)) return CutOff();
  if (bytes.Big32(12) != 0x49484452) {  // "IHDR"
    return absl::InvalidArgumentError("a PNG without an IHDR chunk");
  }
  return ImageHeader{ImageFormat::kPng, bytes.Big32(16), bytes.Big32(20)};
}

absl::StatusOr<ImageHeader> ParseBmp(const Bytes& bytes) {
  if (!bytes.Has(0, 26)) return CutOff();
  if (bytes.Little32(14) == 12) {
    return ImageHeader{ImageFormat::kBmp, bytes.Little16(18), bytes.Little16(20)};
  }
  // A negative height means rows from top to bottom.
  return ImageHeader{ImageFormat::kBmp, bytes.LittleSigned32(18),
                     std::abs(bytes.LittleSigned32(22))};
}

absl::StatusOr<ImageHeader> ParseWebp(const Bytes& bytes, absl::string_view chunk) {
  if (!bytes.Has(0, 30)) return CutOff();
  if (chunk == "VP8X") {
    return ImageHeader{ImageFormat::kWebp, bytes.Little24(24) + 1, bytes.Little24(27) + 1};
  }
  if (chunk == "VP8L" && bytes.At(20) == 0x2f) {
    const int64_t bits = bytes.Little32(21);
    return ImageHeader{ImageFormat::kWebp, (bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1};
  }
  if (chunk == "VP8 " && bytes.Little24(23) == 0x2a019d) {
    return ImageHeader{ImageFormat::kWebp, bytes.Little16(26) & 0x3fff,
                       bytes.Little16(28) & 0x3fff};
  }
  return absl::InvalidArgumentError("a WebP without an image");
}

absl::StatusOr<ImageHeader> ParseByFormat(absl::string_view bytes) {
  if (absl::StartsWith(bytes, "\xff\xd8\xff")) return ParseJpeg(Bytes(bytes));
  if (absl::StartsWith(bytes, "\x89PNG\r\n\x1a\n")) return ParsePng(Bytes(bytes));
  if (absl::StartsWith(bytes, "BM")) return ParseBmp(Bytes(bytes));
  if (absl::StartsWith(bytes, "RIFF") && bytes.size() >= 16 && bytes.substr(8, 4) == "WEBP") {
    return ParseWebp(Bytes(bytes), bytes.substr(12, 4));
  }
  if (absl::StartsWith(bytes, "GIF87a") || absl::StartsWith(bytes, "GIF89a")) {
    RCNN_ASSIGN_OR_RETURN(const GifSize size, ReadGifSize(bytes));
    return ImageHeader{ImageFormat::kGif, size.width, size.height};
  }
  if (IsTiff(bytes)) {
    RCNN_ASSIGN_OR_RETURN(const TiffSize size, ReadTiffSize(bytes));
    return ImageHeader{ImageFormat::kTiff, size.width, size.height};
  }
  if (bytes.empty()) return absl::InvalidArgumentError("empty file");
  if (IsGitLfsPointer(bytes)) return absl::InvalidArgumentError(kGitLfsPointer);
  return absl::InvalidArgumentError("not a JPEG, PNG, BMP, WebP, GIF or TIFF image");
}

}  // namespace

absl::StatusOr<ImageHeader> ParseImageHeader(absl::string_view bytes) {
  RCNN_ASSIGN_OR_RETURN(ImageHeader header, ParseByFormat(bytes));
  if (header.width <= 0 || header.height <= 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("its header gives a size of ", header.width, " x ", header.height));
  }
  return header;
}

absl::StatusOr<ImageHeader> ReadImageHeader(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  RCNN_ASSIGN_OR_RETURN(ImageHeader header, ParseImageHeader(file.bytes()), path);
  return header;
}

bool JpegIsComplete(absl::string_view all) {
  const Bytes bytes(all);
  size_t position = 2;
  while (position < bytes.size()) {
    // Between segments, and within a scan, the next marker is the next 0xff that
    // is not stuffing (0xff00) and not a restart marker.
    const void* found = std::memchr(all.data() + position, 0xff, all.size() - position);
    if (found == nullptr) return false;
    uint8_t marker = 0;
    position = NextMarker(bytes, static_cast<const char*>(found) - all.data(), marker);
    if (position == 0) return false;
    if (marker == kJpegEnd) return true;
    if (marker == 0 || StandsAlone(marker)) continue;
    if (!bytes.Has(position, 2)) return false;
    position += static_cast<size_t>(bytes.Big16(position));
  }
  return false;
}

}  // namespace rcnn::data
