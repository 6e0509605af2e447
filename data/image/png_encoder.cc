#include "rcnn/data/image/png_encoder.h"

#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace rcnn::data {
namespace {

// Higher levels make files hardly smaller and much slower to write.
constexpr int kCompressionLevel = 3;

struct Errors {
  char message[128];
};

[[noreturn]] void Stop(png_structp png, png_const_charp message) {
  Errors& errors = *static_cast<Errors*>(png_get_error_ptr(png));
  std::snprintf(errors.message, sizeof(errors.message), "%s", message);
  png_longjmp(png, 1);
}

void Ignore(png_structp /*png*/, png_const_charp /*message*/) {}

void Append(png_structp png, png_bytep data, size_t count) {
  static_cast<std::string*>(png_get_io_ptr(png))->append(reinterpret_cast<char*>(data), count);
}

void Flush(png_structp /*png*/) {}

// No variable in it may have a destructor, because errors leave it by longjmp.
bool Encode(png_structp png, png_infop info, png_bytepp rows, const Image& image) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_set_compression_level(png, kCompressionLevel);
  png_set_compression_strategy(png, 0);  // zlib's default one
  png_set_IHDR(png, info, static_cast<png_uint_32>(image.width()),
               static_cast<png_uint_32>(image.height()), 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  png_write_image(png, rows);
  png_write_end(png, info);
  return true;
}

}  // namespace

absl::StatusOr<std::string> EncodeAsPng(const Image& image) {
  if (image.size_bytes() == 0) return absl::InvalidArgumentError("an image without pixels");
  Errors errors = {};
  std::string bytes;
  std::vector<png_bytep> rows(image.height());
  for (int64_t y = 0; y < image.height(); ++y) rows[y] = const_cast<png_bytep>(image.row(y));
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &errors, Stop, Ignore);
  png_infop info = png == nullptr ? nullptr : png_create_info_struct(png);
  bool encoded = false;
  if (info != nullptr) {
    png_set_write_fn(png, &bytes, Append, Flush);
    encoded = Encode(png, info, rows.data(), image);
  }
  png_destroy_write_struct(&png, &info);
  if (encoded) return bytes;
  return absl::InvalidArgumentError(absl::StrCat("cannot encode as PNG: ", errors.message));
}

}  // namespace rcnn::data
