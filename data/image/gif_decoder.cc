#include "rcnn/data/image/gif_decoder.h"

#include <gif_lib.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::data {
namespace {

struct Closer {
  void operator()(GifFileType* gif) const { DGifCloseFile(gif, nullptr); }
};
using Gif = std::unique_ptr<GifFileType, Closer>;

absl::Status Damaged(int error) {
  const char* what = GifErrorString(error);
  return absl::InvalidArgumentError(
      absl::StrCat("a damaged GIF: ", what == nullptr ? "cut off" : what));
}

int Read(GifFileType* gif, GifByteType* out, int count) {
  auto& left = *static_cast<absl::string_view*>(gif->UserData);
  const size_t taken = std::min(left.size(), static_cast<size_t>(std::max(count, 0)));
  std::memcpy(out, left.data(), taken);
  left.remove_prefix(taken);
  return static_cast<int>(taken);
}

absl::Status SkipExtension(GifFileType* gif) {
  int code = 0;
  GifByteType* block = nullptr;
  if (DGifGetExtension(gif, &code, &block) == GIF_ERROR) return Damaged(gif->Error);
  while (block != nullptr) {
    if (DGifGetExtensionNext(gif, &block) == GIF_ERROR) return Damaged(gif->Error);
  }
  return absl::OkStatus();
}

// A file that has been read up to the pixels of its first frame, which `gif->Image`
// describes. `bytes` must outlive it and advance as it reads.
absl::StatusOr<Gif> OpenAtFirstFrame(absl::string_view& bytes) {
  int error = 0;
  Gif gif(DGifOpen(&bytes, Read, &error));
  if (gif == nullptr) return Damaged(error);
  while (true) {
    GifRecordType type = UNDEFINED_RECORD_TYPE;
    if (DGifGetRecordType(gif.get(), &type) == GIF_ERROR) return Damaged(gif->Error);
    if (type == TERMINATE_RECORD_TYPE) {
      return absl::InvalidArgumentError("a GIF without an image");
    }
    if (type == EXTENSION_RECORD_TYPE) RCNN_RETURN_IF_ERROR(SkipExtension(gif.get()));
    if (type == IMAGE_DESC_RECORD_TYPE) break;
  }
  if (DGifGetImageDesc(gif.get()) == GIF_ERROR) return Damaged(gif->Error);
  return gif;
}

GifSize CanvasSize(const GifFileType& gif) {
  return {std::max(gif.SWidth, gif.Image.Left + gif.Image.Width),
          std::max(gif.SHeight, gif.Image.Top + gif.Image.Height)};
}

void Fill(const GifFileType& gif, Image& image) {
  const ColorMapObject* colors = gif.SColorMap;
  GifColorType background = {0, 0, 0};
  if (colors != nullptr && gif.SBackGroundColor < colors->ColorCount) {
    background = colors->Colors[gif.SBackGroundColor];
  }
  uint8_t* pixel = image.data();
  for (const uint8_t* end = pixel + image.size_bytes(); pixel < end; pixel += Image::kChannels) {
    pixel[0] = background.Red;
    pixel[1] = background.Green;
    pixel[2] = background.Blue;
  }
}

// One row of the frame, at `out`.
absl::Status ReadRow(GifFileType* gif, const ColorMapObject& colors,
                     std::vector<GifPixelType>& indices, uint8_t* out) {
  if (DGifGetLine(gif, indices.data(), static_cast<int>(indices.size())) == GIF_ERROR) {
    return Damaged(gif->Error);
  }
  for (const GifPixelType index : indices) {
    if (index >= colors.ColorCount) {
      return absl::InvalidArgumentError(
          absl::StrCat("a damaged GIF: colour ", index, " of ", colors.ColorCount));
    }
    const GifColorType& color = colors.Colors[index];
    *out++ = color.Red;
    *out++ = color.Green;
    *out++ = color.Blue;
  }
  return absl::OkStatus();
}

// Rows of the frame in the order of the file. An interlaced one has every 8th row from 0,
// every 8th from 4, every 4th from 2, every 2nd from 1 (GIF89a, appendix E).
std::vector<int> RowOrder(const GifImageDesc& frame) {
  constexpr int kPasses[][2] = {{0, 8}, {4, 8}, {2, 4}, {1, 2}};
  std::vector<int> rows;
  if (!frame.Interlace) {
    for (int y = 0; y < frame.Height; ++y) rows.push_back(y);
    return rows;
  }
  for (const auto& [first, step] : kPasses) {
    for (int y = first; y < frame.Height; y += step) rows.push_back(y);
  }
  return rows;
}

}  // namespace

absl::StatusOr<GifSize> ReadGifSize(absl::string_view bytes) {
  RCNN_ASSIGN_OR_RETURN(const Gif gif, OpenAtFirstFrame(bytes));
  return CanvasSize(*gif);
}

absl::Status DecodeGif(absl::string_view bytes, Image& image) {
  RCNN_ASSIGN_OR_RETURN(const Gif gif, OpenAtFirstFrame(bytes));
  const GifImageDesc& frame = gif->Image;
  const GifSize size = CanvasSize(*gif);
  if (size.width != image.width() || size.height != image.height()) {
    return absl::InvalidArgumentError("a damaged GIF: two sizes");
  }
  const ColorMapObject* colors = frame.ColorMap != nullptr ? frame.ColorMap : gif->SColorMap;
  if (colors == nullptr) return absl::InvalidArgumentError("a GIF without colours");
  if (frame.Width <= 0 || frame.Height <= 0) {
    return absl::InvalidArgumentError("a GIF whose first frame is empty");
  }
  Fill(*gif, image);
  std::vector<GifPixelType> indices(frame.Width);
  for (const int y : RowOrder(frame)) {
    uint8_t* out = image.row(frame.Top + y) + Image::kChannels * frame.Left;
    RCNN_RETURN_IF_ERROR(ReadRow(gif.get(), *colors, indices, out));
  }
  return absl::OkStatus();
}

}  // namespace rcnn::data
