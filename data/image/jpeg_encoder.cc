#include "rcnn/data/image/jpeg_encoder.h"

#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
// Needs <cstdio> and <cstddef> before it.
#include <jpeglib.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace rcnn::data {
namespace {

// libjpeg's callbacks get a pointer to the base, which comes first.
struct Errors {
  jpeg_error_mgr base;
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void Stop(j_common_ptr jpeg) {
  Errors& errors = *reinterpret_cast<Errors*>(jpeg->err);
  jpeg->err->format_message(jpeg, errors.message);
  std::longjmp(errors.jump, 1);
}

void Ignore(j_common_ptr /*jpeg*/) {}

struct Output {
  unsigned char* bytes = nullptr;  // malloc's
  unsigned long size = 0;

  Output() = default;
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output() { std::free(bytes); }
};

// No variable in it may have a destructor, because errors leave it by longjmp.
bool Encode(const Image& image, int quality, Errors& errors, Output& output) {
  jpeg_compress_struct jpeg;
  jpeg.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = Stop;
  errors.base.output_message = Ignore;
  jpeg_create_compress(&jpeg);
  if (setjmp(errors.jump) != 0) {
    jpeg_destroy_compress(&jpeg);
    return false;
  }
  jpeg_mem_dest(&jpeg, &output.bytes, &output.size);
  jpeg.image_width = static_cast<JDIMENSION>(image.width());
  jpeg.image_height = static_cast<JDIMENSION>(image.height());
  jpeg.input_components = Image::kChannels;
  jpeg.in_color_space = JCS_RGB;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, quality, TRUE);
  jpeg_start_compress(&jpeg, TRUE);
  while (jpeg.next_scanline < jpeg.image_height) {
    JSAMPROW row = const_cast<JSAMPROW>(image.row(jpeg.next_scanline));
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  return true;
}

}  // namespace

absl::StatusOr<std::string> EncodeAsJpeg(const Image& image, int quality) {
  if (image.size_bytes() == 0) return absl::InvalidArgumentError("an image without pixels");
  Errors errors = {};
  Output output;
  if (!Encode(image, quality, errors, output)) {
    return absl::InvalidArgumentError(absl::StrCat("cannot encode as JPEG: ", errors.message));
  }
  return std::string(reinterpret_cast<const char*>(output.bytes), output.size);
}

}  // namespace rcnn::data
