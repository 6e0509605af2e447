// A decoded image: RGB, 8 bits per channel, rows top to bottom without gaps.
//
// The only pixel format between decoding and the model's input: RGB uint8, height x
// width x channel. Move-only, so that pixels are never copied by accident; shared images (in a
// Sample or a cache) are std::shared_ptr<const Image>. Independent of tensors and
// OpenCV, which can both wrap data() without copying.
//
// Example:
//   Image image(480, 640);                 // pixels are not initialised
//   image.row(0)[3 * x + 1] = 255;         // green of column x
//   cv::Mat view(image.height(), image.width(), CV_8UC3, image.data());

#ifndef RCNN_DATA_IMAGE_IMAGE_H_
#define RCNN_DATA_IMAGE_IMAGE_H_

#include <cstdint>
#include <memory>

namespace rcnn::data {

// A larger file of an image is refused.
inline constexpr int64_t kMaxImageFileBytes = int64_t{256} << 20;

class Image {
 public:
  static constexpr int64_t kChannels = 3;

  // No pixels: 0 x 0.
  Image() = default;

  // height, width >= 0, in pixels. The pixels are not initialised.
  Image(int64_t height, int64_t width)
      : height_(height), width_(width), pixels_(new uint8_t[height * width * kChannels]) {}

  Image(Image&& other) noexcept = default;
  Image& operator=(Image&& other) noexcept = default;

  int64_t height() const { return height_; }
  int64_t width() const { return width_; }

  // height() * width() * 3.
  int64_t size_bytes() const { return height_ * width_ * kChannels; }

  const uint8_t* data() const { return pixels_.get(); }
  uint8_t* data() { return pixels_.get(); }

  // 3 * width() bytes. 0 <= y < height().
  const uint8_t* row(int64_t y) const { return data() + y * width_ * kChannels; }
  uint8_t* row(int64_t y) { return data() + y * width_ * kChannels; }

  Image Clone() const;

 private:
  int64_t height_ = 0;
  int64_t width_ = 0;
  std::unique_ptr<uint8_t[]> pixels_;
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_IMAGE_IMAGE_H_
