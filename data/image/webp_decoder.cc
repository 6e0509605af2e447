#include "rcnn/data/image/webp_decoder.h"

#include <webp/decode.h>
#include <webp/demux.h>

#include <cstdint>
#include <memory>
#include <string>

namespace rcnn::data {
namespace {

absl::Status Damaged(const char* what) {
  return absl::InvalidArgumentError(std::string("a damaged WebP: ") + what);
}

absl::Status DecodeFirstFrame(const WebPData& data, Image& image) {
  WebPAnimDecoderOptions options;
  if (WebPAnimDecoderOptionsInit(&options) == 0) return Damaged("another version of libwebp");
  options.color_mode = MODE_RGBA;
  const std::unique_ptr<WebPAnimDecoder, void (*)(WebPAnimDecoder*)> decoder(
      WebPAnimDecoderNew(&data, &options), WebPAnimDecoderDelete);
  WebPAnimInfo info;
  if (decoder == nullptr || WebPAnimDecoderGetInfo(decoder.get(), &info) == 0) {
    return Damaged("the animation is cut off or not consistent");
  }
  if (info.canvas_width != image.width() || info.canvas_height != image.height()) {
    return Damaged("two sizes");
  }
  uint8_t* rgba = nullptr;
  int milliseconds = 0;
  if (WebPAnimDecoderGetNext(decoder.get(), &rgba, &milliseconds) == 0) {
    return Damaged("the first frame cannot be decoded");
  }
  uint8_t* rgb = image.data();
  for (int64_t i = 0; i < image.width() * image.height(); ++i, rgba += 4, rgb += 3) {
    for (int c = 0; c < 3; ++c) rgb[c] = rgba[c];
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status DecodeWebp(absl::string_view bytes, Image& image) {
  const WebPData data = {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(data.bytes, data.size, &features) != VP8_STATUS_OK) {
    return Damaged("its header");
  }
  if (features.has_animation != 0) return DecodeFirstFrame(data, image);
  if (features.width != image.width() || features.height != image.height()) {
    return Damaged("two sizes");
  }
  if (WebPDecodeRGBInto(data.bytes, data.size, image.data(), image.size_bytes(),
                        static_cast<int>(image.width() * Image::kChannels)) == nullptr) {
    return Damaged("cut off or not decodable");
  }
  return absl::OkStatus();
}

}  // namespace rcnn::data
