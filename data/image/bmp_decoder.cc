// The file is a header of 14 bytes, an information header whose first 4 bytes are its
// own size, masks or a palette, and at `offset` the rows. All numbers are little
// endian. Every read lies in a range that was checked to be inside the file: the headers,
// the palette, all rows of a plain file, or one run of a run-length encoded one.

#include "rcnn/data/image/bmp_decoder.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::data {
namespace {

constexpr size_t kFileHeader = 14;
constexpr size_t kCoreHeader = 12;
// The three masks follow the information header of version 3, which has 40 bytes, and
// are at the same place in later ones.
constexpr size_t kMasks = kFileHeader + 40;

enum Compression : uint32_t { kPlain = 0, kRle8 = 1, kRle4 = 2, kBitFields = 3 };

using Color = std::array<uint8_t, 3>;  // red, green, blue

struct Bmp {
  absl::string_view bytes;
  size_t header_size = 0;  // of the information header
  size_t offset = 0;       // of the rows
  uint32_t bits = 0;       // of a pixel
  uint32_t compression = kPlain;
  bool top_down = false;
  bool green_has_6_bits = false;
  std::array<Color, 256> palette = {};
};

absl::Status Damaged(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("a damaged BMP: ", what));
}

absl::Status Unknown(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("an unsupported BMP: ", what));
}

uint32_t Byte(absl::string_view bytes, size_t at) { return static_cast<uint8_t>(bytes[at]); }
uint32_t Little16(absl::string_view bytes, size_t at) {
  return Byte(bytes, at) | Byte(bytes, at + 1) << 8;
}
uint32_t Little32(absl::string_view bytes, size_t at) {
  return Little16(bytes, at) | Little16(bytes, at + 2) << 16;
}

bool Has(absl::string_view bytes, size_t at, size_t count) {
  return at <= bytes.size() && count <= bytes.size() - at;
}

absl::Status ReadPalette(Bmp& bmp, uint32_t colors_used) {
  const bool core = bmp.header_size == kCoreHeader;
  const size_t entry = core ? 3 : 4;
  const size_t count = core || colors_used == 0 ? size_t{1} << bmp.bits : colors_used;
  const size_t begin = kFileHeader + bmp.header_size;
  if (count > bmp.palette.size()) return Damaged(absl::StrCat("a palette of ", count, " colours"));
  if (!Has(bmp.bytes, begin, count * entry)) return Damaged("cut off within its palette");
  for (size_t i = 0; i < count; ++i) {
    for (size_t c = 0; c < 3; ++c) {
      bmp.palette[i][c] = static_cast<uint8_t>(Byte(bmp.bytes, begin + i * entry + 2 - c));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadMasks(Bmp& bmp) {
  if (!Has(bmp.bytes, kMasks, 12)) return Damaged("cut off within its header");
  const std::array<uint32_t, 3> masks = {Little32(bmp.bytes, kMasks),
                                         Little32(bmp.bytes, kMasks + 4),
                                         Little32(bmp.bytes, kMasks + 8)};
  bmp.green_has_6_bits = masks == std::array<uint32_t, 3>{0xf800, 0x7e0, 0x1f};
  if (bmp.green_has_6_bits || masks == std::array<uint32_t, 3>{0x7c00, 0x3e0, 0x1f}) {
    return absl::OkStatus();
  }
  return Unknown("bit fields other than 5-5-5 and 5-6-5");
}

bool IsKnown(const Bmp& bmp) {
  switch (bmp.compression) {
    case kPlain:
      return bmp.bits == 1 || bmp.bits == 4 || bmp.bits == 8 || bmp.bits == 16 || bmp.bits == 24 ||
             bmp.bits == 32;
    case kRle8:
      return bmp.bits == 8;
    case kRle4:
      return bmp.bits == 4;
    case kBitFields:
      return bmp.bits == 16 || bmp.bits == 32;
    default:
      return false;
  }
}

// Of a file that has at least the 26 bytes which image_header.h reads.
absl::StatusOr<Bmp> ReadHeader(absl::string_view bytes) {
  Bmp bmp;
  bmp.bytes = bytes;
  bmp.offset = Little32(bytes, 10);
  bmp.header_size = Little32(bytes, kFileHeader);
  uint32_t colors_used = 0;
  if (bmp.header_size == kCoreHeader) {
    bmp.bits = Little16(bytes, 24);
  } else {
    if (bmp.header_size < 40 || !Has(bytes, kFileHeader, bmp.header_size)) {
      return Damaged("cut off within its header");
    }
    bmp.top_down = static_cast<int32_t>(Little32(bytes, 22)) < 0;
    bmp.bits = Little16(bytes, 28);
    bmp.compression = Little32(bytes, 30);
    colors_used = Little32(bytes, 46);
  }
  if (!IsKnown(bmp)) {
    return Unknown(absl::StrCat(bmp.bits, " bits per pixel, compression ", bmp.compression));
  }
  if (bmp.bits <= 8) RCNN_RETURN_IF_ERROR(ReadPalette(bmp, colors_used));
  if (bmp.bits == 16 && bmp.compression == kBitFields) RCNN_RETURN_IF_ERROR(ReadMasks(bmp));
  return bmp;
}

uint8_t* RowAt(const Bmp& bmp, Image& image, int64_t y) {
  return image.row(bmp.top_down ? y : image.height() - 1 - y);
}

void Put(const Color& color, uint8_t* pixel) { std::copy(color.begin(), color.end(), pixel); }

// The channels of a 16-bit pixel, each in the upper 5 or 6 bits of its byte.
Color Unpacked16(const Bmp& bmp, uint32_t value) {
  const auto upper = [](uint32_t bits) { return static_cast<uint8_t>(bits & 0xf8); };
  if (!bmp.green_has_6_bits) return {upper(value >> 7), upper(value >> 2), upper(value << 3)};
  return {upper(value >> 8), static_cast<uint8_t>(value >> 3 & 0xfc), upper(value << 3)};
}

// The pixel at x of a row that begins at `row`.
Color PixelAt(const Bmp& bmp, size_t row, size_t x) {
  if (bmp.bits <= 8) {
    const size_t bit = x * bmp.bits;
    const uint32_t shift = 8 - bmp.bits - bit % 8;
    return bmp.palette[Byte(bmp.bytes, row + bit / 8) >> shift & ((1u << bmp.bits) - 1)];
  }
  const size_t at = row + x * (bmp.bits / 8);
  if (bmp.bits == 16) return Unpacked16(bmp, Little16(bmp.bytes, at));
  return {static_cast<uint8_t>(bmp.bytes[at + 2]), static_cast<uint8_t>(bmp.bytes[at + 1]),
          static_cast<uint8_t>(bmp.bytes[at])};
}

absl::Status DecodePlain(const Bmp& bmp, Image& image) {
  const size_t width = image.width(), height = image.height();
  const size_t pitch = (width * bmp.bits + 31) / 32 * 4;
  if (!Has(bmp.bytes, bmp.offset, pitch * height)) return Damaged("cut off");
  for (size_t y = 0; y < height; ++y) {
    uint8_t* out = RowAt(bmp, image, y);
    for (size_t x = 0; x < width; ++x, out += Image::kChannels) {
      Put(PixelAt(bmp, bmp.offset + y * pitch, x), out);
    }
  }
  return absl::OkStatus();
}

// Decodes a run-length encoded file. Invariant: 0 <= x <= width, 0 <= y <= height; a run
// that begins at the end of a row begins the next one.
class RleDecoder {
 public:
  RleDecoder(const Bmp& bmp, Image& image) : bmp_(bmp), image_(image), at_(bmp.offset) {}

  absl::Status Decode() {
    for (int64_t y = 0; y < image_.height(); ++y) {
      for (int64_t x = 0; x < image_.width(); ++x) Put(bmp_.palette[0], image_.row(y) + 3 * x);
    }
    while (!ended_ && !Full()) RCNN_RETURN_IF_ERROR(DecodeNext());
    return absl::OkStatus();
  }

 private:
  bool Full() const {
    return y_ >= image_.height() || (y_ == image_.height() - 1 && x_ == image_.width());
  }

  // Two bytes: a length and the index to repeat, or 0 and a command.
  absl::Status DecodeNext() {
    if (!Has(bmp_.bytes, at_, 2)) return Damaged("cut off");
    const uint32_t count = Byte(bmp_.bytes, at_), code = Byte(bmp_.bytes, at_ + 1);
    at_ += 2;
    if (count > 0) return Run(count, code);
    if (code == 0) return NextRow();
    if (code == 1) return End();
    return code == 2 ? Move() : Literal(code);
  }

  absl::Status NextRow() {
    x_ = 0;
    ++y_;
    return absl::OkStatus();
  }

  absl::Status End() {
    ended_ = true;
    return absl::OkStatus();
  }

  absl::Status Run(uint32_t count, uint32_t code) {
    RCNN_RETURN_IF_ERROR(MakeRoom(count));
    for (uint32_t i = 0; i < count; ++i) {
      Draw(bmp_.bits == 8 ? code : i % 2 == 0 ? code >> 4 : code & 15);
    }
    return absl::OkStatus();
  }

  // Indices as they are, in a whole number of 16-bit words.
  absl::Status Literal(uint32_t count) {
    const size_t length = (count * bmp_.bits + 15) / 16 * 2;
    if (!Has(bmp_.bytes, at_, length)) return Damaged("cut off");
    RCNN_RETURN_IF_ERROR(MakeRoom(count));
    for (uint32_t i = 0; i < count; ++i) {
      const uint32_t byte = Byte(bmp_.bytes, at_ + i * bmp_.bits / 8);
      Draw(bmp_.bits == 8 ? byte : i % 2 == 0 ? byte >> 4 : byte & 15);
    }
    at_ += length;
    return absl::OkStatus();
  }

  // Moves right and up by two bytes.
  absl::Status Move() {
    if (!Has(bmp_.bytes, at_, 2)) return Damaged("cut off");
    const int64_t right = Byte(bmp_.bytes, at_), up = Byte(bmp_.bytes, at_ + 1);
    at_ += 2;
    if (x_ + right > image_.width() || y_ + up > image_.height()) {
      return Damaged("it draws outside the image");
    }
    x_ += right;
    y_ += up;
    return absl::OkStatus();
  }

  absl::Status MakeRoom(int64_t count) {
    if (x_ == image_.width()) RCNN_RETURN_IF_ERROR(NextRow());
    if (y_ < image_.height() && count <= image_.width() - x_) return absl::OkStatus();
    return Damaged("a run that is longer than its row");
  }

  // MakeRoom has checked that there is room.
  void Draw(uint32_t index) { Put(bmp_.palette[index], RowAt(bmp_, image_, y_) + 3 * x_++); }

  const Bmp& bmp_;
  Image& image_;
  size_t at_;
  int64_t x_ = 0;
  int64_t y_ = 0;
  bool ended_ = false;
};

}  // namespace

absl::Status DecodeBmp(absl::string_view bytes, Image& image) {
  if (!Has(bytes, 0, 26)) return Damaged("cut off within its header");
  RCNN_ASSIGN_OR_RETURN(const Bmp bmp, ReadHeader(bytes));
  if (bmp.compression == kRle8 || bmp.compression == kRle4) return RleDecoder(bmp, image).Decode();
  return DecodePlain(bmp, image);
}

}  // namespace rcnn::data
