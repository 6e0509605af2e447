#include "rcnn/data/split/jpeg_thumbnail.h"

#include <setjmp.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <utility>

// After <cstdio>, which it uses without including it.
#include <jpeglib.h>

#include "absl/status/status.h"
#include "rcnn/data/image/jpeg_decoder.h"

namespace rcnn::data {
namespace {

constexpr unsigned kShortestSide = 34;

// libjpeg reports an error by a function that must not return.
struct ErrorHandler {
  jpeg_error_mgr manager;
  jmp_buf jump;
};

void JumpBack(j_common_ptr info) { longjmp(reinterpret_cast<ErrorHandler*>(info->err)->jump, 1); }

void LimitScans(j_common_ptr info) {
  const int scan = reinterpret_cast<j_decompress_ptr>(info)->input_scan_number;
  if (scan > kMaxJpegScans) JumpBack(info);
}

void SayNothing(j_common_ptr /*info*/, int /*level*/) {}
void PrintNothing(j_common_ptr /*info*/) {}

// No variable here may have a destructor, because errors leave by longjmp.
bool Decode(absl::string_view bytes, int64_t max_pixels, GreyThumbnail& thumbnail) {
  jpeg_decompress_struct info = {};
  ErrorHandler handler = {};
  jpeg_progress_mgr progress = {};
  info.err = jpeg_std_error(&handler.manager);
  handler.manager.error_exit = JumpBack;
  handler.manager.emit_message = SayNothing;
  handler.manager.output_message = PrintNothing;
  if (setjmp(handler.jump) != 0) {
    jpeg_destroy_decompress(&info);
    return false;
  }
  jpeg_create_decompress(&info);
  progress.progress_monitor = LimitScans;
  info.progress = &progress;
  jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(bytes.data()),
               static_cast<unsigned long>(bytes.size()));
  jpeg_read_header(&info, TRUE);
  const int64_t pixels = int64_t{info.image_width} * int64_t{info.image_height};
  const bool has_grey =
      info.jpeg_color_space == JCS_GRAYSCALE || info.jpeg_color_space == JCS_YCbCr;
  if (!has_grey || pixels > max_pixels) {
    jpeg_destroy_decompress(&info);
    return false;
  }
  info.out_color_space = JCS_GRAYSCALE;
  info.scale_num = 1;
  info.scale_denom = 8;
  while (info.scale_denom > 1 &&
         std::min(info.image_width, info.image_height) / info.scale_denom < kShortestSide) {
    info.scale_denom /= 2;
  }
  info.dct_method = JDCT_IFAST;
  jpeg_start_decompress(&info);
  thumbnail.width = info.output_width;
  thumbnail.height = info.output_height;
  thumbnail.extent_x = static_cast<double>(info.image_width) / info.scale_denom;
  thumbnail.extent_y = static_cast<double>(info.image_height) / info.scale_denom;
  thumbnail.pixels.resize(static_cast<size_t>(thumbnail.width * thumbnail.height));
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = thumbnail.pixels.data() + size_t{info.output_scanline} * info.output_width;
    jpeg_read_scanlines(&info, &row, 1);
  }
  jpeg_destroy_decompress(&info);
  return true;
}

}  // namespace

absl::StatusOr<GreyThumbnail> DecodeJpegThumbnail(absl::string_view bytes, int64_t max_pixels) {
  GreyThumbnail thumbnail;
  if (Decode(bytes, max_pixels, thumbnail)) return thumbnail;
  return absl::InvalidArgumentError("not a JPEG of grey or YCbCr pixels");
}

}  // namespace rcnn::data
