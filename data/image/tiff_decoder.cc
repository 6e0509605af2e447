#include "rcnn/data/image/tiff_decoder.h"

#include <tiffio.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::data {
namespace {

// Limits on one allocation by LibTIFF, which clears a whole strip or tile however little the file
// has of it: this much, and twice four samples of 16 bits for each pixel of the image.
constexpr int64_t kLeastLimit = int64_t{64} << 20;
constexpr int64_t kLimitPerPixel = 16;

// The state of LibTIFF's callbacks.
struct Source {
  absl::string_view bytes;
  uint64_t position = 0;
  std::string message;  // the first error
};

Source& GetSource(thandle_t handle) { return *static_cast<Source*>(handle); }

tmsize_t Read(thandle_t handle, void* out, tmsize_t count) {
  Source& source = GetSource(handle);
  const uint64_t begin = std::min<uint64_t>(source.position, source.bytes.size());
  const uint64_t taken =
      std::min<uint64_t>(source.bytes.size() - begin, std::max<tmsize_t>(count, 0));
  std::memcpy(out, source.bytes.data() + begin, taken);
  source.position = begin + taken;
  return static_cast<tmsize_t>(taken);
}

tmsize_t RefuseToWrite(thandle_t /*handle*/, void* /*data*/, tmsize_t /*count*/) { return -1; }

toff_t Seek(thandle_t handle, toff_t offset, int whence) {
  Source& source = GetSource(handle);
  const uint64_t base = whence == SEEK_CUR   ? source.position
                        : whence == SEEK_END ? source.bytes.size()
                                             : 0;
  source.position = base + offset;
  return source.position;
}

int Close(thandle_t /*handle*/) { return 0; }

toff_t FileSize(thandle_t handle) { return GetSource(handle).bytes.size(); }

int KeepError(TIFF* /*tiff*/, void* user_data, const char* /*module*/, const char* format,
              va_list arguments) {
  std::string& message = static_cast<Source*>(user_data)->message;
  char text[256] = "";
  std::vsnprintf(text, sizeof(text), format, arguments);
  if (message.empty()) message = text;
  return 1;
}

int IgnoreWarning(TIFF* /*tiff*/, void* /*user_data*/, const char* /*module*/,
                  const char* /*format*/, va_list /*arguments*/) {
  return 1;
}

absl::Status Damaged(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("a damaged or unsupported TIFF: ", what));
}

struct Closer {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};
using Tiff = std::unique_ptr<TIFF, Closer>;

// `pixels`: how many will be read.
absl::StatusOr<Tiff> Open(Source& source, int64_t pixels = 0) {
  TIFFOpenOptions* options = TIFFOpenOptionsAlloc();
  if (options == nullptr) return absl::ResourceExhaustedError("no memory");
  TIFFOpenOptionsSetMaxSingleMemAlloc(options, kLeastLimit + kLimitPerPixel * pixels);
  TIFFOpenOptionsSetErrorHandlerExtR(options, KeepError, &source);
  TIFFOpenOptionsSetWarningHandlerExtR(options, IgnoreWarning, &source);
  // m: not mapped.
  Tiff tiff(TIFFClientOpenExt("", "rm", &source, Read, RefuseToWrite, Seek, Close, FileSize,
                              /*mapproc=*/nullptr, /*unmapproc=*/nullptr, options));
  TIFFOpenOptionsFree(options);
  if (tiff == nullptr) return Damaged(source.message);
  return tiff;
}

TiffSize ReadSize(TIFF* tiff) {
  uint32_t width = 0, height = 0;
  TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &width);
  TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &height);
  return {width, height};
}

// Keeps LibTIFF from turning the image or multiplying it by its alpha.
void KeepAsStored(TIFF* tiff) {
  TIFFSetField(tiff, TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT);
  uint16_t count = 0;
  uint16_t* kinds = nullptr;
  if (TIFFGetField(tiff, TIFFTAG_EXTRASAMPLES, &count, &kinds) != 1 || count == 0) return;
  std::vector<uint16_t> changed(kinds, kinds + count);
  std::replace(changed.begin(), changed.end(), static_cast<uint16_t>(EXTRASAMPLE_UNASSALPHA),
               static_cast<uint16_t>(EXTRASAMPLE_ASSOCALPHA));
  TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, static_cast<int>(count), changed.data());
}

// Rows from top to bottom; TIFFGetR and so on give the channels of a pixel.
absl::Status ReadRaster(TIFF* tiff, const Source& source, const Image& image,
                        std::vector<uint32_t>& raster) {
  char message[1024] = "";
  TIFFRGBAImage reader;
  if (TIFFRGBAImageOK(tiff, message) == 0 ||
      TIFFRGBAImageBegin(&reader, tiff, /*stop=*/1, message) == 0) {
    return Damaged(message);
  }
  reader.req_orientation = ORIENTATION_TOPLEFT;
  const int read = TIFFRGBAImageGet(&reader, raster.data(), static_cast<uint32_t>(image.width()),
                                    static_cast<uint32_t>(image.height()));
  TIFFRGBAImageEnd(&reader);
  return read != 0 && source.message.empty() ? absl::OkStatus() : Damaged(source.message);
}

}  // namespace

bool IsTiff(absl::string_view bytes) {
  for (const absl::string_view magic :
       {absl::string_view("II*\0", 4), absl::string_view("MM\0*", 4), absl::string_view("II+\0", 4),
        absl::string_view("MM\0+", 4)}) {
    if (absl::StartsWith(bytes, magic)) return true;
  }
  return false;
}

absl::StatusOr<TiffSize> ReadTiffSize(absl::string_view bytes) {
  Source source = {bytes, 0, ""};
  RCNN_ASSIGN_OR_RETURN(const Tiff tiff, Open(source));
  return ReadSize(tiff.get());
}

absl::StatusOr<int64_t> ReadTiffOrientation(absl::string_view bytes) {
  Source source = {bytes, 0, ""};
  RCNN_ASSIGN_OR_RETURN(const Tiff tiff, Open(source));
  uint16_t orientation = ORIENTATION_TOPLEFT;
  TIFFGetField(tiff.get(), TIFFTAG_ORIENTATION, &orientation);
  return orientation;
}

absl::Status DecodeTiff(absl::string_view bytes, Image& image) {
  Source source = {bytes, 0, ""};
  RCNN_ASSIGN_OR_RETURN(const Tiff tiff, Open(source, image.width() * image.height()));
  const TiffSize size = ReadSize(tiff.get());
  if (size.width != image.width() || size.height != image.height()) return Damaged("two sizes");
  KeepAsStored(tiff.get());
  std::vector<uint32_t> raster(image.width() * image.height());
  RCNN_RETURN_IF_ERROR(ReadRaster(tiff.get(), source, image, raster));
  uint8_t* rgb = image.data();
  for (const uint32_t pixel : raster) {
    *rgb++ = static_cast<uint8_t>(TIFFGetR(pixel));
    *rgb++ = static_cast<uint8_t>(TIFFGetG(pixel));
    *rgb++ = static_cast<uint8_t>(TIFFGetB(pixel));
  }
  return absl::OkStatus();
}

}  // namespace rcnn::data
