#include "rcnn/data/image/png_decoder.h"

#include <png.h>

#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"

namespace rcnn::data {
namespace {

// The state of libpng's callbacks.
struct Source {
  const char* next;
  size_t left;
  char message[128];
};

void Read(png_structp png, png_bytep out, size_t count) {
  Source& source = *static_cast<Source*>(png_get_io_ptr(png));
  if (count > source.left) png_error(png, "cut off");
  std::memcpy(out, source.next, count);
  source.next += count;
  source.left -= count;
}

[[noreturn]] void Stop(png_structp png, png_const_charp message) {
  Source& source = *static_cast<Source*>(png_get_error_ptr(png));
  std::snprintf(source.message, sizeof(source.message), "%s", message);
  png_longjmp(png, 1);
}

void Ignore(png_structp /*png*/, png_const_charp /*message*/) {}

// Converts every kind of file to rows of 8-bit RGB.
void AskForRgb(png_structp png, png_infop info) {
  const int color_type = png_get_color_type(png, info);
  png_set_strip_16(png);
  png_set_strip_alpha(png);
  if (color_type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if ((color_type & PNG_COLOR_MASK_COLOR) == 0 && png_get_bit_depth(png, info) < 8) {
    png_set_expand_gray_1_2_4_to_8(png);
  }
  png_set_gray_to_rgb(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
}

// No variable in it may have a destructor, because errors leave it by longjmp.
bool Decode(png_structp png, png_infop info, png_bytepp rows, const Image& image) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  // Skips what does not concern pixels: texts and profiles, of which libpng unpacks and keeps up to
  // 1000 of 8 MB each.
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_read_info(png, info);
  if (png_get_image_width(png, info) != static_cast<uint64_t>(image.width()) ||
      png_get_image_height(png, info) != static_cast<uint64_t>(image.height())) {
    png_error(png, "two headers");
  }
  AskForRgb(png, info);
  if (png_get_rowbytes(png, info) != static_cast<size_t>(image.width() * Image::kChannels)) {
    png_error(png, "not convertible to RGB");
  }
  png_read_image(png, rows);
  png_read_end(png, nullptr);
  return true;
}

}  // namespace

absl::Status DecodePng(absl::string_view bytes, Image& image) {
  Source source = {bytes.data(), bytes.size(), ""};
  std::vector<png_bytep> rows(image.height());
  for (int64_t y = 0; y < image.height(); ++y) rows[y] = image.row(y);
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &source, Stop, Ignore);
  png_infop info = png == nullptr ? nullptr : png_create_info_struct(png);
  bool decoded = false;
  if (info != nullptr) {
    png_set_read_fn(png, &source, Read);
    decoded = Decode(png, info, rows.data(), image);
  }
  png_destroy_read_struct(&png, &info, nullptr);
  if (decoded) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("a damaged PNG: ", source.message));
}

}  // namespace rcnn::data
