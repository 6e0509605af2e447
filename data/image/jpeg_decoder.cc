// libjpeg repairs what it can and warns. A warning that concerns pixels is taken as an
// error (IsDamage), as are missing passes of a progressive file, about which it says
// nothing.
//
// Some damage leaves no trace: Huffman codes resynchronise by themselves, and if as many
// blocks were decoded from the damaged bytes as from the original ones, all later blocks
// are in place (with a wrong brightness). With 64 random bytes in a photograph's scan
// this happens one time in eight, with 512 one time in a hundred.

#include "rcnn/data/image/jpeg_decoder.h"

#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
// Needs <cstdio> and <cstddef> before it.
#include <jpeglib.h>
// Needs jpeglib.h before it.
#include <jerror.h>

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace rcnn::data {
namespace {

// Some encoders fill the last bytes of a scan with zeros.
constexpr long kMaxPadding = 4;

// libjpeg's callbacks get a pointer to the base, which comes first.
struct Errors {
  jpeg_error_mgr base;
  std::jmp_buf jump;
  bool in_scans;  // whether the headers before the first scan have been read
  char message[JMSG_LENGTH_MAX];
};

Errors& GetErrors(j_common_ptr jpeg) { return *reinterpret_cast<Errors*>(jpeg->err); }

[[noreturn]] void Stop(j_common_ptr jpeg) {
  Errors& errors = GetErrors(jpeg);
  jpeg->err->format_message(jpeg, errors.message);
  std::longjmp(errors.jump, 1);
}

[[noreturn]] void StopWith(j_common_ptr jpeg, const char* message) {
  Errors& errors = GetErrors(jpeg);
  std::snprintf(errors.message, sizeof(errors.message), "%s", message);
  std::longjmp(errors.jump, 1);
}

// Whether the bytes that were skipped before a marker are nothing but padding.
bool IsPadding(const jpeg_decompress_struct& jpeg) {
  const long skipped = jpeg.err->msg_parm.i[0];
  const JOCTET* end = jpeg.src->next_input_byte;
  return skipped <= kMaxPadding &&
         std::all_of(end - skipped, end, [](JOCTET byte) { return byte == 0; });
}

bool IsDamage(j_common_ptr jpeg) {
  switch (jpeg->err->msg_code) {
    case JWRN_ARITH_BAD_CODE:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_JPEG_EOF:
    case JWRN_MUST_RESYNC:
      return true;
    case JWRN_EXTRANEOUS_DATA:
      return GetErrors(jpeg).in_scans && !IsPadding(*reinterpret_cast<j_decompress_ptr>(jpeg));
    default:
      return false;
  }
}

// A level below 0 is a warning.
void Emit(j_common_ptr jpeg, int level) {
  if (level < 0 && IsDamage(jpeg)) Stop(jpeg);
}

void Ignore(j_common_ptr /*jpeg*/) {}

void LimitScans(j_common_ptr jpeg) {
  if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number <= kMaxJpegScans) return;
  StopWith(jpeg, "more than 500 scans");
}

// Of a progressive file: that each bit of each coefficient was in one of the scans.
void CheckPasses(jpeg_decompress_struct& jpeg) {
  if (!jpeg.progressive_mode || jpeg.coef_bits == nullptr) return;
  for (int component = 0; component < jpeg.num_components; ++component) {
    for (const int missing_bits : jpeg.coef_bits[component]) {
      if (missing_bits != 0) StopWith(reinterpret_cast<j_common_ptr>(&jpeg), "scans are missing");
    }
  }
}

// Adobe stores ink as 255 - ink.
void InvertedCmykToRgb(const JSAMPLE* cmyk, int64_t width, uint8_t* rgb) {
  for (int64_t x = 0; x < width; ++x, cmyk += 4, rgb += 3) {
    const int k = cmyk[3];
    for (int c = 0; c < 3; ++c) rgb[c] = static_cast<uint8_t>(k - ((255 - cmyk[c]) * k >> 8));
  }
}

void ReadRows(jpeg_decompress_struct& jpeg, Image& image) {
  const bool cmyk = jpeg.out_color_space == JCS_CMYK;
  JSAMPARRAY buffer = cmyk ? jpeg.mem->alloc_sarray(reinterpret_cast<j_common_ptr>(&jpeg),
                                                    JPOOL_IMAGE, jpeg.output_width * 4, 1)
                           : nullptr;
  while (jpeg.output_scanline < jpeg.output_height) {
    uint8_t* row = image.row(jpeg.output_scanline);
    jpeg_read_scanlines(&jpeg, cmyk ? buffer : &row, 1);
    if (cmyk) InvertedCmykToRgb(buffer[0], image.width(), row);
  }
}

// No variable in it may have a destructor, because errors leave it by longjmp.
bool Decode(absl::string_view bytes, Errors& errors, Image& image) {
  jpeg_decompress_struct jpeg;
  jpeg_progress_mgr progress;
  jpeg.err = jpeg_std_error(&errors.base);
  errors.base.error_exit = Stop;
  errors.base.emit_message = Emit;
  errors.base.output_message = Ignore;
  jpeg_create_decompress(&jpeg);
  if (setjmp(errors.jump) != 0) {
    jpeg_destroy_decompress(&jpeg);
    return false;
  }
  progress.progress_monitor = LimitScans;
  jpeg.progress = &progress;
  jpeg_mem_src(&jpeg, reinterpret_cast<const unsigned char*>(bytes.data()),
               static_cast<unsigned long>(bytes.size()));
  jpeg_read_header(&jpeg, TRUE);
  errors.in_scans = true;
  jpeg.out_color_space = jpeg.num_components == 4 ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(&jpeg);
  CheckPasses(jpeg);
  const bool fits = jpeg.output_width == static_cast<JDIMENSION>(image.width()) &&
                    jpeg.output_height == static_cast<JDIMENSION>(image.height());
  if (fits) {
    ReadRows(jpeg, image);
    // Reads on to the end of the image, which finds unused data.
    jpeg_finish_decompress(&jpeg);
  } else {
    StopWith(reinterpret_cast<j_common_ptr>(&jpeg), "two frame headers");
  }
  jpeg_destroy_decompress(&jpeg);
  return true;
}

}  // namespace

absl::Status DecodeJpeg(absl::string_view bytes, Image& image) {
  Errors errors = {};
  if (Decode(bytes, errors, image)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("a damaged JPEG: ", errors.message));
}

}  // namespace rcnn::data
